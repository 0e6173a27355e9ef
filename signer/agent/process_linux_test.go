package agent

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// dumpable reports whether other processes of the user can look into this one.
func dumpable() bool {
	n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return err != nil || n != 0
}

// TestThousandSignatures asks for them all at once. Each has to be over its own
// payload.
func TestThousandSignatures(t *testing.T) {
	w := spawned(t)
	w.login(t, alice, "")
	many := 1000
	if raced {
		many = 100 // a client at a thousand would not come to ask in time
	}
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			r := w.request(fmt.Sprintf("commit %d", i), alice)
			answer, err := w.client.Sign(t.Context(), r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			w.verify(t, r.Payload, answer, alice)
		})
	}
	wg.Wait()
	status, err := w.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := status.Credentials[0].Signatures; n != many {
		t.Errorf("%d signatures were counted, want %d", n, many)
	}
	memory, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", status.PID))
	if err != nil {
		t.Fatal(err)
	}
	var most int
	_, after, _ := strings.Cut(string(memory), "\nVmHWM:")
	if _, err := fmt.Sscanf(after, "%d kB", &most); err != nil {
		t.Fatal(err)
	}
	// The authority is in the same process, and this program is no small one.
	t.Logf("at most %d kB in memory", most)
	if most > maxMemory && !raced {
		t.Errorf("the agent had %d kB in memory, want at most %d", most, maxMemory)
	}
}

// maxMemory bounds the memory of an agent with an authority in it, in kB.
const maxMemory = 32 << 10
