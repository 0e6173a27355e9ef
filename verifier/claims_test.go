package verifier_test

import (
	"slices"
	"testing"

	"gitseal/verifier"
)

// TestClaimsOfTheCertificateAreInTheResult has what a CI system says of its
// run, old extensions with raw bytes and new ones in DER, and one that has no
// name yet.
func TestClaimsOfTheCertificateAreInTheResult(t *testing.T) {
	o := newOffice(t)
	want := []verifier.Claim{
		{Number: 2, Name: "GitHubWorkflowTrigger", Value: "push"},
		{Number: 12, Name: "SourceRepositoryURI", Value: "https://example.com/r"},
		{Number: 24, Name: "TokenSubject", Value: "repo:r:ref:refs/heads/main"},
		{Number: 99, Value: "new"},
	}
	for _, c := range want {
		value := c.Value
		if c.Number >= 8 {
			value = "\x0c" + string(rune(len(value))) + value
		}
		o.leaf.ExtraExtensions = append(o.leaf.ExtraExtensions, fulcioExtension(c.Number, value))
	}
	result, err := o.result(t)
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Certificate.Claims; !slices.Equal(got, want) {
		t.Errorf("claims %+v, want %+v", got, want)
	}
}
