// Package docs holds the pages of this folder that the command prints.
package docs

import _ "embed"

// Findings is findings.md, which has a section for each class and finding.
//
//go:embed findings.md
var Findings string
