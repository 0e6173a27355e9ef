//go:build !unix

package pending

const childVariable = "PENDING_TEST_CHILD_OF"

// child is nobody where no process can be killed as on Unix.
func child(string) int { return 1 }
