package sigstore_test

import (
	"net/http"
	"testing"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
)

// The steps of signing that ask somebody, and the last one.
const (
	certifying = "certifying the key"
	recording  = "recording the signature in the log"
	stamping   = "getting a time-stamp"
	checking   = "checking the finished signature"
)

// mistakes are what an authority can get wrong in what it issues, and where and
// in which words signing stops then. What only the cryptography tells of logs
// and time-stamps is told when the finished signature is checked; of the
// certificate it is told before the log is asked.
var mistakes = map[fakeca.Fault]struct{ step, words string }{
	fakeca.CertificateExpired:     {certifying, "the certificate expired 20 minutes ago"},
	fakeca.CertificateNotYetValid: {certifying, "the certificate is valid only in 29 minutes: this machine's clock is slow"},
	fakeca.CertificateByOther:     {certifying, "not by an authority of the trusted root"},
	fakeca.CertificateForged:      {certifying, "certificate not signed by"},
	fakeca.NoCodeSigning:          {certifying, "certificate is not for code signing"},
	fakeca.LeafIsCA:               {certifying, "certificate is an authority's"},
	fakeca.NoSCT:                  {certifying, "the certificate carries no SCT"},
	fakeca.SCTByUnknownLog:        {certifying, "SCT is by no certificate log of the trusted root"},
	fakeca.SCTFlipped:             {certifying, "signature does not verify"},

	fakeca.EntryOfOtherLog:        {checking, "is not in the trusted root"},
	fakeca.EntryForOtherSignature: {recording, "its entry is not for this signature"},
	fakeca.ProofHashFlipped:       {checking, "this signature is not in the log as it claims"},
	fakeca.ProofHashDropped:       {checking, "inclusion proof: too short"},
	fakeca.ProofHashExtra:         {checking, "inclusion proof: too long"},
	fakeca.IndexOffByOne:          {checking, "this signature is not in the log as it claims"},
	fakeca.TreeSizeOffByOne:       {checking, "inclusion proof is for tree size 7, its checkpoint for 6"},
	fakeca.RootHashWrong:          {checking, "inclusion proof and checkpoint name different root hashes"},
	fakeca.CheckpointForged:       {checking, "signature is wrong"},
	fakeca.CheckpointByOtherKey:   {checking, "no signature by this log"},
	fakeca.CheckpointOfOtherLog:   {checking, "key name and origin do not agree"},
	fakeca.CheckpointRootChanged:  {checking, "inclusion proof and checkpoint name different root hashes"},
	fakeca.PromiseFlipped:         {checking, "verifying signed entry timestamp: signature is wrong"},
	fakeca.NoPromise:              {recording, "its entry has no signed entry timestamp"},
	fakeca.IntegratedTimeChanged:  {checking, "verifying signed entry timestamp: signature is wrong"},

	fakeca.TimestampBackdated: {stamping, "this machine's clock says"},
	fakeca.TimestampOverOther: {stamping, "message imprint is not the one that was asked for"},
	fakeca.TimestampByOther:   {checking, "not by a time-stamp authority of the trusted root"},
	fakeca.TimestampFlipped:   {checking, "checking the time-stamp"},
}

// spoiled returns the servers of an authority that makes the mistake; nil if no
// authority makes it.
func spoiled(a *fakeca.Authority, f fakeca.Fault) (h http.Handler) {
	defer func() {
		if recover() != nil {
			h = nil // of a client
		}
	}()
	return server.New(a.Spoiled(f))
}

// TestMistakesOfServers has the servers make one mistake at a time. What is only
// odd, and is verified in the end, must not keep anyone from signing.
func TestMistakesOfServers(t *testing.T) {
	seen := make(map[fakeca.Fault]bool)
	for _, generation := range generations {
		for _, f := range fakeca.Faults() {
			g := newRig(t, generation)
			h := spoiled(g.authority, f)
			if h == nil {
				continue
			}
			t.Run(generation.String()+"/"+string(f), func(t *testing.T) {
				sig, err := g.sign(t, t.Context(), g.inProcess(h))
				want, ok := mistakes[f]
				seen[f] = true
				if f.Class() == "verified" {
					if err != nil || sig == nil {
						t.Errorf("Sign: %v, want a signature", err)
					}
					return
				}
				if !ok {
					t.Fatalf("no row says what to expect; Sign: %v", err)
				}
				g.refused(t, sig, err, want.step, want.words)
				if n := g.asked[upload(generation)] + g.asked[stampPath]; want.step == certifying && n > 0 {
					t.Errorf("%d requests to log and time-stamp authority about a certificate that is not good", n)
				}
			})
		}
	}
	for f := range mistakes {
		if !seen[f] {
			t.Errorf("the row of %q was not used", f)
		}
	}
}

// A lie is one thing that a server says otherwise than it should.
type lie struct {
	name        string
	path        string // of the answers that it is in; "": the upload to the log
	only        []fakeca.Generation
	answer      func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, honest http.Handler)
	step, words string
}

// TestLiesOfServers puts somebody between client and servers who changes one
// thing.
func TestLiesOfServers(t *testing.T) {
	for _, l := range append(certificateLies(), append(logLies(), timestampLies()...)...) {
		for _, generation := range generations {
			if len(l.only) > 0 && l.only[0] != generation {
				continue
			}
			t.Run(generation.String()+"/"+l.name, func(t *testing.T) {
				g := newRig(t, generation)
				honest := server.New(g.authority)
				at := g.inProcess(honest)
				if _, err := g.sign(t, t.Context(), at); err != nil {
					t.Fatalf("without the lie: %v", err)
				}
				path := l.path
				if path == "" {
					path = upload(generation)
				}
				told := false
				at = g.inProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method+" "+r.URL.Path != path {
						honest.ServeHTTP(w, r)
						return
					}
					told = true
					l.answer(t, g, w, r, honest)
				}))
				sig, err := g.sign(t, t.Context(), at)
				if !told {
					t.Error("nobody asked for the answer that the lie is in")
				}
				g.refused(t, sig, err, l.step, l.words)
			})
		}
	}
}
