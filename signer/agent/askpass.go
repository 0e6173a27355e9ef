package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// confirmTime is how long a person may think about a signature.
const confirmTime = time.Minute

// Askpass returns a Config.Confirm that asks as ssh-agent does: by a program,
// often one that $SSH_ASKPASS names, with the question as its argument and
// SSH_ASKPASS_PROMPT=confirm in its environment, which is env otherwise. Exit
// status 0 within a minute is a yes. Without a program the answer is no.
func Askpass(program string, env []string) func(ctx context.Context, question string) error {
	env = append(slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		return strings.HasPrefix(pair, "SSH_ASKPASS_PROMPT=")
	}), "SSH_ASKPASS_PROMPT=confirm")
	return func(ctx context.Context, question string) error {
		if program == "" {
			return errors.New("nobody can be asked to confirm the signature: no program for it is known (SSH_ASKPASS)")
		}
		ctx, cancel := context.WithTimeout(ctx, confirmTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, question)
		cmd.Env, cmd.WaitDelay = env, time.Second
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("asking to confirm the signature: %w", ctx.Err())
		case errors.As(err, &exit):
			return errors.New("the signature was not confirmed")
		case err != nil:
			return fmt.Errorf("asking to confirm the signature: %w", err)
		}
		return nil
	}
}
