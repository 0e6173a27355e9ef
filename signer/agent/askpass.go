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
// Errors say how it went, after StepConfirm.
func Askpass(program string, env []string) func(ctx context.Context, question string) error {
	env = append(slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		return strings.HasPrefix(pair, "SSH_ASKPASS_PROMPT=")
	}), "SSH_ASKPASS_PROMPT=confirm")
	return func(ctx context.Context, question string) error {
		if program == "" {
			return errors.New("the agent knows no program that asks (SSH_ASKPASS)")
		}
		ctx, cancel := context.WithTimeoutCause(ctx, confirmTime, fmt.Errorf("nobody has answered within %v", confirmTime))
		defer cancel()
		cmd := exec.CommandContext(ctx, program, question)
		cmd.Env, cmd.WaitDelay = env, time.Second
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &exit):
			return errors.New("the answer is no")
		}
		return err
	}
}
