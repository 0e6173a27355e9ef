package oidc

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// frame returns a message as a body of gRPC.
func frame(message string) string {
	return "\x00" + string(binary.BigEndian.AppendUint32(nil, uint32(len(message)))) + message
}

// rawServer returns the source for an endpoint that speaks HTTP/2 in clear
// text, and writes what it likes.
func rawServer(t *testing.T, handle http.HandlerFunc) spiffe {
	t.Helper()
	server := httptest.NewUnstartedServer(handle)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return spiffeAt("tcp://" + strings.TrimPrefix(server.URL, "http://"))
}

func TestSPIFFERequest(t *testing.T) {
	token := svidToken(t, nil)
	message, err := proto.Marshal(svidAnswer(jwtSVID{workload, token}))
	if err != nil {
		t.Fatal(err)
	}
	s := rawServer(t, func(w http.ResponseWriter, r *http.Request) {
		got := fmt.Sprintf("%s %s %s %s %s %s %s", r.Method, r.Host, r.URL, r.Proto, r.Header.Get("Content-Type"), r.Header.Get("Te"), r.Header.Get("Workload.spiffe.io"))
		if want := "POST localhost /SpiffeWorkloadAPI/FetchJWTSVID HTTP/2.0 application/grpc trailers true"; got != want {
			t.Errorf("got request %q, want %q", got, want)
		}
		w.Header().Set("Content-Type", "application/grpc+proto")
		fmt.Fprint(w, frame(string(message)))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	checkToken(t, s, token)
}

func TestSPIFFEBadServers(t *testing.T) {
	message, err := proto.Marshal(svidAnswer(jwtSVID{workload, svidToken(t, nil)}))
	if err != nil {
		t.Fatal(err)
	}
	good := frame(string(message))
	for name, tt := range map[string]struct {
		status  int
		kind    string
		body    string
		trailer []string // of Grpc-Status
		want    string
	}{
		"not found":        {404, "application/grpc", "", nil, "what answers is no gRPC server: status 404"},
		"a web page":       {200, "text/html", "<html>", nil, "what answers is no gRPC server: status 200"},
		"gRPC for the web": {200, "application/grpc-web", good, []string{"0"}, "what answers is no gRPC server"},
		"no status":        {200, "application/grpc", good, nil, "the answer has no status, or several"},
		"two statuses":     {200, "application/grpc", good, []string{"0", "0"}, "the answer has no status, or several"},
		"a word":           {200, "application/grpc", good, []string{"OK"}, "the answer's status is no number"},
		"signed":           {200, "application/grpc", good, []string{"+0"}, "the answer's status is no number"},
		"failed after all": {200, "application/grpc", good, []string{"10"}, "gRPC status 10"},
		"no message":       {200, "application/grpc", "", []string{"0"}, "the answer has no message"},
		"half a length":    {200, "application/grpc", good[:4], []string{"0"}, "the answer has no message"},
		"half a message":   {200, "application/grpc", good[:len(good)-1], []string{"0"}, "not one message of the length that it gives"},
		"two messages":     {200, "application/grpc", good + good, []string{"0"}, "not one message of the length that it gives"},
		"compressed":       {200, "application/grpc", "\x01" + good[1:], []string{"0"}, "the answer is compressed"},
		"too long":         {200, "application/grpc", frame(strings.Repeat("a", maxSVIDs)), []string{"0"}, "the answer is longer than 1048576 bytes"},
		"no protobuf":      {200, "application/grpc", frame("\x0a\x7f"), []string{"0"}, "reading the answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := rawServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
				if tt.trailer != nil {
					w.Header()[http.TrailerPrefix+"Grpc-Status"] = tt.trailer
				}
			})
			checkRefused(t, s, tt.want)
		})
	}

	// A server that speaks no HTTP/2.
	old := httptest.NewServer(http.NotFoundHandler())
	defer old.Close()
	checkRefused(t, spiffeAt("tcp://"+strings.TrimPrefix(old.URL, "http://")), "SPIFFE Workload API at ")

	// One that ends the call in its midst.
	checkRefused(t, rawServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		fmt.Fprint(w, good)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	}), "SPIFFE Workload API at ")
}

func TestParseJWTSVIDsRefuses(t *testing.T) {
	bytes := func(num protowire.Number, value string) string {
		return string(appendField(nil, num, value))
	}
	number := func(num protowire.Number) string {
		return string(protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), 1))
	}
	id, token := bytes(1, workload), bytes(2, "token")
	for name, tt := range map[string]struct{ message, want string }{
		"list of another type":  {number(1), "field 1 is of another type"},
		"ID of another type":    {bytes(1, number(1)+token), "field 1 is of another type"},
		"token of another type": {bytes(1, id+number(2)), "field 2 is of another type"},
		"hint of another type":  {bytes(1, id+token+number(3)), "field 3 is of another type"},
		"two IDs":               {bytes(1, id+id+token), "a field that is there twice"},
		"two tokens":            {bytes(1, id+token+token), "a field that is there twice"},
		"not UTF-8":             {bytes(1, id+bytes(2, "\xff")), "a string that is not UTF-8"},
		"no ID":                 {bytes(1, token), "a token for no SPIFFE ID"},
		"no token":              {bytes(1, id), "a SPIFFE ID without a token"},
		"nothing":               {bytes(1, ""), "a token for no SPIFFE ID"},
		"second is bad":         {bytes(1, id+token) + bytes(1, id), "a SPIFFE ID without a token"},
		"cut tag":               {bytes(1, id+token) + "\x80", "unexpected EOF"},
		"cut value":             {bytes(1, id+token)[:9], "unexpected EOF"},
		"field zero":            {"\x02\x00", "invalid field number"},
		"field beyond all":      {"\x82\x80\x80\x80\x10\x00", "a field's number is too large"},
		"tag in two bytes":      {"\x8a\x00\x00", "not written as it should be"},
		"group":                 {"\x2b\x2c", "a group, which no version has"},
	} {
		svids, err := parseJWTSVIDs([]byte(tt.message))
		if err == nil {
			t.Errorf("%s: got %v, want error %q", name, svids, tt.want)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %q, want %q", name, err, tt.want)
		}
	}

	// What later versions add means nothing.
	message := number(7) + bytes(2, "x") + bytes(1, id+number(4)+bytes(9, "\xff")+token+bytes(9, "y"))
	svids, err := parseJWTSVIDs([]byte(message))
	if err != nil || len(svids) != 1 || svids[0] != (jwtSVID{workload, "token"}) {
		t.Errorf("with fields of later versions: got %v, %v, want the token", svids, err)
	}
}

func FuzzParseJWTSVIDs(f *testing.F) {
	for _, svids := range [][]jwtSVID{
		nil, {{workload, "token"}}, {{workload, "a.b.c"}, {"spiffe://x", "d"}}, {{"x", ""}},
	} {
		message, err := proto.Marshal(svidAnswer(svids...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
		f.Add([]byte(frame(string(message))))
	}
	f.Add([]byte("\x08\x01"))
	f.Add([]byte("\x0a\x80\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if inner, err := parseFrame(message); err == nil && frame(string(inner)) != string(message) {
			t.Errorf("%q: got message %q, which is another's", message, inner)
		}
		svids, err := parseJWTSVIDs(message)
		if err != nil {
			return
		}
		// What we read is what every implementation reads.
		theirs := newMessage("JWTSVIDResponse")
		if err := proto.Unmarshal(message, theirs); err != nil {
			t.Fatalf("%q: got %v, want %v", message, svids, err)
		}
		list := svidList(theirs)
		if list.Len() != len(svids) {
			t.Fatalf("%q: got %d SVIDs, want %d", message, len(svids), list.Len())
		}
		for i, svid := range svids {
			one := list.Get(i).Message()
			if want := (jwtSVID{getString(one, "spiffe_id"), getString(one, "svid")}); svid != want {
				t.Errorf("%q: got %v, want %v", message, svid, want)
			}
		}
	})
}
