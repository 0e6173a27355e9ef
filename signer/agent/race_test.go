//go:build race

package agent

// raced means that the race detector is in this program, which takes memory.
const raced = true
