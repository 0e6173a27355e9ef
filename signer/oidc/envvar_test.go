package oidc

import "testing"

func TestEnvvar(t *testing.T) {
	token := testToken(t, nil)
	s := envvar{surroundings(map[string]string{"SIGSTORE_ID_TOKEN": token + "\n"}, nil)}
	checkToken(t, s, token)
	if got, want := s.Key(), tokenKey("envvar", token); got != want {
		t.Errorf("got key %s, want %s", got, want)
	}
}

func TestEnvvarBroken(t *testing.T) {
	for name, tt := range map[string]struct{ value, want string }{
		"not a token":    {"s3cret", "SIGSTORE_ID_TOKEN: the identity token is not a JSON web token"},
		"spaces":         {"  ", "SIGSTORE_ID_TOKEN: empty"},
		"wrong audience": {testToken(t, map[string]any{"aud": []string{"a", "b"}}), `SIGSTORE_ID_TOKEN: the identity token is for audience "a, b", want "sigstore"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := envvar{surroundings(map[string]string{"SIGSTORE_ID_TOKEN": tt.value}, nil)}
			if err := s.Available(); err != nil {
				t.Errorf("Available: got %v, want nil: it was set", err)
			}
			checkRefused(t, s, tt.want)
		})
	}
}

func TestGitLab(t *testing.T) {
	token := testToken(t, nil)
	checkToken(t, gitlab{surroundings(map[string]string{"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": token}, nil)}, token)

	err := gitlab{surroundings(map[string]string{"GITLAB_CI": "true"}, nil)}.Available()
	want := `the job has no token: .gitlab-ci.yml must have "id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}" in it`
	if err == nil || err.Error() != want {
		t.Errorf("a job without token: got %v, want %q", err, want)
	}
	// A token in the environment is no job of GitLab.
	if err := (gitlab{surroundings(map[string]string{"SIGSTORE_ID_TOKEN": token}, nil)}).Available(); err == nil {
		t.Error("no job: got available")
	}
	checkRefused(t, gitlab{surroundings(map[string]string{"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": "s3cret"}, nil)}, "SIGSTORE_ID_TOKEN: the identity token is not")
}
