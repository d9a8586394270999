package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
)

func newAcceptCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept-cluster ID",
		Short: "Tell an instance to believe a store that it refused",
		Long: `An instance never believes, by itself, a store with another cluster id than
before, nor one whose revision went back: it may be the wrong cluster, or an old
backup. The last verdicts stand meanwhile, and the status says so. When you know
that the store is right, say so at every instance, with the id that the status
shows. The word holds once.`,
		Example: `  steerdns accept-cluster da5cc489ff5793e0 --admin 127.0.0.1:8301`,
		Args:    exactly(1, "the cluster id that the status shows"),
	}
	address := adminFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := admin.NewClient(*address).AcceptCluster(cmd.Context(), args[0]); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the instance at %s believes cluster %s from now on\n", *address, args[0])
		return nil
	}
	return cmd
}
