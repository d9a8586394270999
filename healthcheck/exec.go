package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// execProbe runs a program of the operator's and finds a target good when it
// ends with status 0. There is no shell: the arguments go out as they are. The
// program is in a process group of its own, which is killed when the time is
// up and when the program has ended.
type execProbe struct {
	allow      []string
	outputWait time.Duration // for what an ended program's children still hold open
}

const (
	maxOutput  = 4 << 10 // of the program's first line, both streams together
	outputWait = 100 * time.Millisecond
)

func (p execProbe) probe(ctx context.Context, t Target) (finding, error) {
	argv := t.Check.Command
	if len(argv) == 0 || !slices.Contains(p.allow, argv[0]) {
		return finding{}, &blindness{fmt.Errorf("this instance does not run %q: add it to checks.allow_exec in its instance file",
			shorten(strings.Join(argv[:min(1, len(argv))], ""), 60))}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", environment(t)
	inOwnGroup(cmd)
	out, err := startHeard(cmd)
	if err != nil {
		return finding{}, &blindness{fmt.Errorf("cannot run: %w", err)}
	}
	err = cmd.Wait()
	late := ctx.Err()
	endGroup(cmd)
	said := out.end(ctx, p.outputWait)
	if late != nil {
		return finding{}, &failure{running, late}
	}
	return judgeExit(err, said)
}

// judgeExit tells how a program ended.
func judgeExit(err error, said string) (finding, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return finding{text: "exit status 0" + said}, nil
	case errors.As(err, &exit):
		return finding{}, errors.New(exit.Error() + said)
	}
	return finding{}, &blindness{fmt.Errorf("cannot run: %w", err)}
}

// environment is all that a program is told, beside its arguments. Nothing of
// the instance's own environment is in it.
func environment(t Target) []string {
	where := strings.TrimSuffix(t.Alias, ".")
	if t.Addr.IsValid() {
		where = t.Addr.Unmap().String()
	}
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
		"STEERDNS_ENDPOINT=" + t.ID, "STEERDNS_SERVICE=" + t.Name, "STEERDNS_ADDRESS=" + where,
		"STEERDNS_TIMEOUT_MS=" + strconv.FormatInt(t.Check.timeout().Milliseconds(), 10),
	}
	if t.Check.Port != 0 {
		env = append(env, "STEERDNS_PORT="+strconv.Itoa(int(t.Check.Port)))
	}
	return env
}
