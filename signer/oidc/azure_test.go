package oidc

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// entraToken is a token as Entra issues it to managed identities.
func entraToken(t *testing.T, audience string) string {
	return testToken(t, map[string]any{
		"iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/", "aud": audience,
		"sub": "11111111-1111-1111-1111-111111111111", "oid": "11111111-1111-1111-1111-111111111111",
	})
}

// azureAnswer is an answer with the token, as both services write it.
func azureAnswer(token string) reply {
	return reply{200, "application/json; charset=utf-8", fmt.Sprintf(
		`{"access_token":%q,"expires_in":"3599","expires_on":"1772600767","resource":"sigstore","token_type":"Bearer"}`, token)}
}

// azureRefusal is an answer of either service when it refuses.
const azureRefusal = `{"error":"invalid_request","error_description":"Identity not found"}`

// azureMachineServer is the metadata service of a machine of Azure, whose
// tokens are what answer says, and the source by name that asks it.
func azureMachineServer(t *testing.T, env map[string]string, answer func(query url.Values) reply) azure {
	host := metadataServer(t, func(w http.ResponseWriter, r *http.Request) {
		a, q := reply{400, "application/json; charset=utf-8", azureRefusal}, r.URL.Query()
		if r.Method == http.MethodGet && r.URL.Path == "/metadata/identity/oauth2/token" && r.Header.Get("Metadata") == "true" &&
			r.Header.Get("X-Forwarded-For") == "" && q.Get("api-version") == "2018-02-01" && len(q["resource"]) == 1 {
			a = answer(q)
		}
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	})
	all := map[string]string{"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://" + host}
	for name, value := range env {
		all[name] = value
	}
	return azure{surroundings(all, nil)}
}

// azureApplicationServer is the identity service of an application, and the
// source that asks it.
func azureApplicationServer(t *testing.T, answer func(query url.Values) reply) azure {
	host := metadataServer(t, func(w http.ResponseWriter, r *http.Request) {
		a, q := reply{400, "application/json", azureRefusal}, r.URL.Query()
		switch {
		case r.Header.Get("X-Identity-Header") != "s3cret-header":
			a = reply{401, "text/plain", "wrong header " + r.Header.Get("X-Identity-Header")}
		case r.Method == http.MethodGet && r.URL.Path == "/msi/token" && q.Get("api-version") == "2019-08-01" && len(q["resource"]) == 1:
			a = answer(q)
		}
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	})
	return azure{surroundings(map[string]string{"IDENTITY_ENDPOINT": "http://" + host + "/msi/token", "IDENTITY_HEADER": "s3cret-header"}, nil)}
}

func TestAzureFile(t *testing.T) {
	token := testToken(t, map[string]any{"iss": "https://oidc.prod-aks.azure.com/x/", "sub": "system:serviceaccount:ns:sa"})
	env := map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token"}
	files := map[string]string{env["AZURE_FEDERATED_TOKEN_FILE"]: token}
	s := azure{surroundings(env, files)}
	checkToken(t, s, token)
	if got, want := s.Key(), tokenKey("azure", token); got != want {
		t.Errorf("got key %s, want %s: that of the token", got, want)
	}

	// As Azure mounts it, it is for Azure. The machine is not asked instead.
	theirs := testToken(t, map[string]any{"aud": "api://AzureADTokenExchange"})
	files[env["AZURE_FEDERATED_TOKEN_FILE"]] = theirs
	env["IDENTITY_ENDPOINT"], env["IDENTITY_HEADER"] = "http://127.0.0.1:1/", "x"
	for name, available := range map[string]func() error{"Available": s.Available, "AvailableByName": s.AvailableByName} {
		err := available()
		if err == nil {
			t.Fatalf("%s: a token for Azure: got available", name)
		}
		checkError(t, err, `the token of AZURE_FEDERATED_TOKEN_FILE is for audience "api://AzureADTokenExchange", want "sigstore"`)
	}
	checkRefused(t, s, "AZURE_FEDERATED_TOKEN_FILE: the identity token is for audience")

	for _, text := range []string{"unreadable", "s3cret", ""} {
		files[env["AZURE_FEDERATED_TOKEN_FILE"]] = text
		if err := s.Available(); err != nil {
			t.Errorf("%q: Available: got %v, want nil: it was set", text, err)
		}
		checkRefused(t, s, "AZURE_FEDERATED_TOKEN_FILE: ")
	}
}

func TestAzureApplication(t *testing.T) {
	var asked url.Values
	s := azureApplicationServer(t, func(query url.Values) reply {
		asked = query
		return azureAnswer(entraToken(t, query.Get("resource")))
	})
	checkToken(t, s, entraToken(t, "sigstore"))
	if len(asked) != 2 {
		t.Errorf("got query %v, want a version and a resource", asked)
	}
	before, getenv := s.Key(), s.cfg.Getenv
	s.cfg.Audience = "api://22222222"
	s.cfg.Getenv = func(name string) string {
		if name == "AZURE_CLIENT_ID" {
			return "33333333"
		}
		return getenv(name)
	}
	checkToken(t, s, entraToken(t, "api://22222222"))
	if asked.Get("client_id") != "33333333" {
		t.Errorf("got query %v, want one for the identity that is set", asked)
	}
	if s.Key() == before {
		t.Error("another identity: got the same key")
	}
}

func TestAzureMachine(t *testing.T) {
	s := azureMachineServer(t, nil, func(query url.Values) reply { return azureAnswer(entraToken(t, query.Get("resource"))) })
	if err := s.Available(); err == nil {
		t.Error("a machine: got available, want that it has to be named")
	}
	if err := s.AvailableByName(); err != nil {
		t.Errorf("a machine by name: got %v, want available", err)
	}
	grant, err := s.Grant(t.Context())
	if err != nil || grant.IDToken != entraToken(t, "sigstore") {
		t.Errorf("got %v, %v, want the token", grant, err)
	}
	if got, err := (azure{surroundings(nil, nil)}).metadata(); err != nil || !strings.HasPrefix(got.url, "http://169.254.169.254/metadata/identity/oauth2/token?") {
		t.Errorf("with no variable: got %v, %v, want the address of the link", got, err)
	}
}

func TestAzureFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		answer reply
		want   string
	}{
		"no identity": {reply{400, "application/json", azureRefusal}, `status 400 Bad Request: {"error":"invalid_request","error_description":"Identity not found"}`},
		"not found":   {reply{404, "text/plain", ""}, "status 404 Not Found"},
		"a web page":  {reply{502, "text/html", "<html>"}, "status 502 Bad Gateway: a web page"},
		"redirect":    {reply{307, "text/plain", ""}, "status 307 Temporary Redirect"},
		"HTML":        {reply{200, "text/html", "<html>"}, "identity service of Azure: byte 0"},
		"no token":    {reply{200, "application/json", `{"expires_in":"1"}`}, `"access_token": no member`},
		"two tokens":  {reply{200, "application/json", `{"access_token":"s3cret","access_token":"s3cret"}`}, "duplicate member"},
		"null":        {reply{200, "application/json", `{"access_token":null}`}, `"access_token"`},
		"trailing":    {reply{200, "application/json", `{"access_token":"s3cret"} x`}, "the end of the answer"},
		"empty":       {reply{200, "application/json", ""}, "identity service of Azure: the answer ends where"},
		"too long":    {reply{200, "application/json", strings.Repeat(" ", 2*maxToken+1)}, "longer than 131072 bytes"},
		"opaque":      {azureAnswer("s3cret"), "the identity token is not a JSON web token"},
		"other's":     {azureAnswer(entraToken(t, "https://management.azure.com")), `for audience "https://management.azure.com", want "sigstore"`},
	} {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, azureApplicationServer(t, func(url.Values) reply { return tt.answer }), tt.want)
		})
	}
}

func TestAzureKeepsItsSecret(t *testing.T) {
	// The server repeats the header in its refusal.
	s := azureApplicationServer(t, nil)
	getenv := s.cfg.Getenv
	s.cfg.Getenv = func(name string) string {
		if name == "IDENTITY_HEADER" {
			return "s3cret-other"
		}
		return getenv(name)
	}
	checkRefused(t, s, "status 401 Unauthorized: wrong header [redacted]")

	for endpoint, want := range map[string]string{
		"http://192.0.2.1/msi/token":  `refusing to send a secret to "192.0.2.1", where others can read it`,
		"http://example.com/":         `refusing to send a secret to "example.com"`,
		"ftp://127.0.0.1/":            `refusing to send a secret to "127.0.0.1"`,
		"https://u:s3cret@127.0.0.1/": "malformed URL",
		"127.0.0.1:80":                "malformed URL",
		"/msi/token":                  "malformed URL",
	} {
		checkRefused(t, azure{surroundings(map[string]string{"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": "s3cret"}, nil)}, want)
	}
	for endpoint, want := range map[string]bool{
		"https://example.com/": true, "http://127.0.0.1:42/": true, "http://[::1]/": true, "http://169.254.129.3:8081/": true, "http://localhost/": true,
		"http://10.0.0.1/": false, "http://localhost.example.com/": false, "unix://127.0.0.1/": false,
	} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextDoor(u); got != want {
			t.Errorf("nextDoor(%s) = %v, want %v", endpoint, got, want)
		}
	}
}

func TestAzureOfOtherKinds(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"Arc":            {"IDENTITY_ENDPOINT": "http://127.0.0.1:40342/metadata/identity/oauth2/token", "IMDS_ENDPOINT": "http://127.0.0.1:40342"},
		"Service Fabric": {"IDENTITY_ENDPOINT": "https://127.0.0.1/", "IDENTITY_HEADER": "s3cret", "IDENTITY_SERVER_THUMBPRINT": "x"},
	} {
		s := azure{surroundings(env, nil)}
		if err := s.Available(); err == nil {
			t.Errorf("%s: Available: got nil, want that it is not recognised", name)
		}
		err := s.AvailableByName()
		if err == nil {
			t.Fatalf("%s: AvailableByName: got nil, want that it is not supported", name)
		}
		checkError(t, err, "tokens of Azure Arc and Service Fabric are not supported")
	}
}
