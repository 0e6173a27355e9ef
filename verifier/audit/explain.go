package audit

import (
	"time"

	"gitseal/verifier"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// An Explanation is how an audit judged one object, step by step.
type Explanation struct {
	OID string // which object; for the caller to set

	Found     bool           // the object was examined; without that the rest is zero
	Object    report.Object  //
	Signature verifier.Class // of the signature, whoever made it
	Why       string         // why that is not Verified
	Signer    *verifier.Signer
	Time      time.Time // when it was signed; zero: nobody says
	Source    verifier.TimeSource
	Mergetags int

	Policy   bool                // there is one; without it the signature is all there is
	Rules    []policy.RuleResult // each rule, in the order of the file
	Untold   error               // why a rule could not be applied
	Entry    string              // the policy's name of the signer
	Role     string
	Vouchers []string // who else stands for it

	Class    verifier.Class // in the end
	Message  string
	Findings []string // ids of what else was found
}

// explain fills in the explanation if it is of this object.
func (c *collector) explain(o report.Object, f *facts, r *ruling) {
	x := c.cfg.Explain
	if x == nil || x.OID != o.OID || x.Found {
		return
	}
	*x = Explanation{
		OID: x.OID, Found: true, Object: o, Signature: f.class, Why: f.message, Signer: f.who(), Time: f.time, Source: f.source,
		Mergetags: len(f.mergetags), Policy: c.cfg.Policy != nil, Untold: r.untold, Entry: r.entry, Role: r.role,
		Class: r.class, Message: r.message, Findings: append([]string(nil), c.extra...),
	}
	if r.object == nil {
		return
	}
	x.Vouchers = r.object.Vouchers
	rules, err := c.cfg.Policy.Explain(r.object)
	x.Rules = rules
	if err != nil {
		x.Untold = err
	}
}
