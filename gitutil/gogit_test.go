package gitutil

import (
	"io"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// TestSplitBesideGoGit compares the splitters with go-git's, for programs
// that take their objects from its storers. Where the two disagree,
// TestSplitAsGit shows that this package is with git. A disagreement that is
// not listed fails, as does a listed one that is gone.
func TestSplitBesideGoGit(t *testing.T) {
	differs := map[string]string{ // what go-git 5.19 does
		"commit header with a longer name":       "leaves gpgsigs in the payload",
		"commit header without a space":          "takes it for a signature, yet leaves it in the payload",
		"commit continuation before any header":  "refuses the commit",
		"commit empty value at the end":          "adds a newline to the signature",
		"tag armor in place of the headers' end": "finds no signature in the header",
		"tag gpgsig header at the end":           "finds no signature in the header",
		"tag both headers, side by side":         "removes both from the payload, git the second only",
		"tag header with a longer name inside":   "leaves gpgsigs in the payload",
	}
	for _, c := range commitCases() {
		name := "commit " + c.name
		compareGoGit(t, name, differs[name], c.fill(SHA1), SplitCommit, goGitCommit)
	}
	for _, c := range tagCases() {
		name := "tag " + c.name
		compareGoGit(t, name, differs[name], c.fill(SHA1), SplitTag, goGitTag)
	}
}

func compareGoGit(t *testing.T, name, differs string, data []byte, split func([]byte, Format) (Split, error), other func(*plumbing.MemoryObject) (payload, signature string, err error)) {
	t.Helper()
	ours, err := split(data, SHA1)
	if err != nil {
		t.Fatal(err)
	}
	o := &plumbing.MemoryObject{}
	if _, err := o.Write(data); err != nil {
		t.Fatal(err)
	}
	payload, signature, err := other(o)
	same := err == nil && signature == string(ours.Signature) && (signature == "" || payload == string(ours.Payload))
	if same != (differs == "") {
		t.Errorf("%s: agrees %v, want %v; payload %q, signature %q, go-git's %q, %q, %v", name, same, !same, ours.Payload, ours.Signature, payload, signature, err)
	}
}

func goGitCommit(o *plumbing.MemoryObject) (payload, signature string, err error) {
	o.SetType(plumbing.CommitObject)
	c := &object.Commit{}
	if err := c.Decode(o); err != nil {
		return "", "", err
	}
	payload, err = contentOf(c.EncodeWithoutSignature)
	return payload, c.PGPSignature, err
}

func goGitTag(o *plumbing.MemoryObject) (payload, signature string, err error) {
	o.SetType(plumbing.TagObject)
	tag := &object.Tag{}
	if err := tag.Decode(o); err != nil {
		return "", "", err
	}
	payload, err = contentOf(tag.EncodeWithoutSignature)
	return payload, tag.PGPSignature, err
}

// contentOf returns what encode writes.
func contentOf(encode func(plumbing.EncodedObject) error) (string, error) {
	o := &plumbing.MemoryObject{}
	if err := encode(o); err != nil {
		return "", err
	}
	r, err := o.Reader()
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), err
}
