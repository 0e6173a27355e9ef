package report

import (
	"net/url"
	"strings"

	"gitseal/verifier"
)

type sarifResult struct {
	RuleID              string                `json:"ruleId"`
	RuleIndex           *int                  `json:"ruleIndex,omitempty"`
	Level               string                `json:"level"`
	Message             sarifText             `json:"message"`
	Locations           []sarifLocation       `json:"locations"`
	PartialFingerprints map[string]string     `json:"partialFingerprints"`
	Properties          sarifResultProperties `json:"properties"`
}

type sarifLocation struct {
	PhysicalLocation sarifPhysical  `json:"physicalLocation"`
	LogicalLocations []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	ArtifactLocation sarifArtifact  `json:"artifactLocation"`
	Region           map[string]int `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

type sarifResultProperties struct {
	Object Object    `json:"object"`
	Signer *identity `json:"signer,omitempty"`
	Hint   string    `json:"hint,omitempty"`
}

type sarifRunProperties struct {
	Complete bool   `json:"complete"`
	Totals   Totals `json:"totals"`
	Result   Result `json:"result"`
}

// sarifResultOf returns the result of a finding.
func sarifResultOf(x Finding) sarifResult {
	text := x.about()
	if x.Hint != "" {
		text += " (" + x.Hint + ")"
	}
	result := sarifResult{
		RuleID:  printable(x.ID),
		Level:   string(x.Severity),
		Message: sarifText{Text: sarifMessage(text)},
		Locations: []sarifLocation{{
			PhysicalLocation: sarifPhysical{sarifArtifact{looseFile(x.Object.OID)}, map[string]int{"startLine": 1}},
			LogicalLocations: []sarifLogical{{printable(x.Object.OID), printable(x.Object.Type)}},
		}},
		// The name by which code scanning knows a result again. It would hash
		// the lines around it otherwise, of which there are none.
		PartialFingerprints: map[string]string{"primaryLocationLineHash": printable(x.ID) + ":" + printable(x.Object.OID)},
		Properties:          sarifResultProperties{Object: Object{printable(x.Object.Type), printable(x.Object.OID)}, Hint: printable(x.Hint)},
	}
	if i := indexOf(x.ID); i >= 0 {
		result.RuleIndex = &i
	}
	if x.Signer != nil {
		result.Properties.Signer = printableIdentity(x.Signer)
	}
	return result
}

// sarifPlain makes plain what means something in a message: links (SARIF
// 3.11.6) and placeholders (3.11.5).
var sarifPlain = strings.NewReplacer("[", `\[`, "]", `\]`, "{", "{{", "}", "}}")

func sarifMessage(s string) string { return sarifPlain.Replace(printable(s)) }

func printableIdentity(s *verifier.Signer) *identity {
	return &identity{verifier.Kind(printable(string(s.Kind))), printable(s.Identity.Issuer), printable(s.Identity.Subject), printable(s.Key)}
}

// looseFile returns the file in which git keeps an object until it packs it,
// as a URI relative to the work tree.
func looseFile(oid string) string {
	if !isID(oid) {
		return ".git/objects/" + url.PathEscape(printable(oid))
	}
	return ".git/objects/" + oid[:2] + "/" + oid[2:]
}
