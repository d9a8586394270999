// Command steerdns is an authoritative DNS server that steers clients
// between regions. `steerdns help` lists its verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main with its streams as arguments; it returns the exit status:
// 0 done, 1 refused or failed, 2 wrong use.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errAlreadySaid):
		return 1
	}
	fmt.Fprintf(stderr, "steerdns: %v\n", err)
	if _, usage := errors.AsType[usageError](err); usage {
		fmt.Fprintln(stderr, "`steerdns help` and `steerdns VERB --help` tell how.")
		return 2
	}
	return 1
}

// errAlreadySaid ends a verb whose findings are on the screen already.
var errAlreadySaid = errors.New("already said")

// usageError is a mistake in the command line.
type usageError struct{ error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "steerdns",
		Short: "An authoritative DNS server that steers clients between regions",
		Long: `steerdns answers each client with the addresses of the regions that can serve
it best now: ranked by geography and by live health that all instances share
through etcd. A region that fails, or that you drain, leaves the answers by
itself.

Start here:
  steerdns demo                          a three-region fleet on this machine
  steerdns serve --config steerdns.yaml  one instance
  steerdns status                        what the fleet believes, and why`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%q is not a verb of steerdns", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(), newDemo(), newCheckConfig(), newApply(), newStatus(), newExplain(),
		newDrain(), newUndrain(), newPin(), newUnpin(), newFailback(), newHistory(), newAcceptCluster(), newVersion(), newMan(), newBackend(), newEtcd())
	return root
}

// exactly wants n arguments and says which.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s wants %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}
