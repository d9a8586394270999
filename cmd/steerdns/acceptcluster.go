package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
)

func newAcceptCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept-cluster ID",
		Short: "Tell instances to believe a store that they refused",
		Long: `An instance never believes, by itself, a store with another cluster id than
before, nor one whose revision went back: it may be the wrong cluster, or an old
backup. The last verdicts stand meanwhile, and the status says so. When you know
that the store is right, say so at every instance, with the id that the status
shows: give --admin several times, or several addresses with commas between.
The word holds once. An instance that refuses another cluster than this one, or
none, refuses the word.`,
		Example: `  steerdns accept-cluster da5cc489ff5793e0 --admin 127.0.0.1:8301,127.0.0.1:8302`,
		Args:    exactly(1, "the cluster id that the status shows"),
	}
	addresses := cmd.Flags().StringSlice("admin", []string{defaultAdmin}, "admin addresses of instances of the fleet, host:port")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return acceptAt(cmd.Context(), cmd.OutOrStdout(), args[0], *addresses)
	}
	return cmd
}

// acceptAt gives the word to one instance after another, and says of each how
// that went. One that fails does not keep it from the others.
func acceptAt(ctx context.Context, out io.Writer, id string, addresses []string) error {
	if len(addresses) == 0 {
		return usageError{errors.New("--admin wants the address of an instance, host:port")}
	}
	failed := 0
	for _, a := range addresses {
		if err := admin.NewClient(a).AcceptCluster(ctx, id); err != nil {
			failed++
			fmt.Fprintf(out, "%s: %v\n", a, err)
			continue
		}
		fmt.Fprintf(out, "%s: believes cluster %s from now on\n", a, id)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d instances did not take the word", failed, len(addresses))
	}
	return nil
}
