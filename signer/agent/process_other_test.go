//go:build unix && !linux

package agent

// dumpable is not asked here: what Harden does instead shows in nothing.
func dumpable() bool { return false }
