package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
)

func newApply() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply FLEET-FILE",
		Short: "Check a fleet file and give it to the whole fleet",
		Long: `Checks the file with the loader that serve uses, stores it in etcd by a
transaction on the revision that is applied now, and keeps the history. All
instances with "fleet: etcd" switch to it. A file with any problem is refused
whole, and what ran before keeps running.`,
		Example: `  steerdns apply fleet.yaml
  steerdns apply fleet.yaml --base 7      # only if number 7 is still in force`,
		Args: exactly(1, "one fleet file"),
	}
	address := adminFlag(cmd)
	by := cmd.Flags().String("by", currentOwner(), "who applies it, for the history")
	base := cmd.Flags().Int64("base", -1, "refuse unless this number is in force; -1: whichever is")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := loadFleet(args[0], nil)
		if err != nil {
			return err
		}
		req := admin.FleetRequest{File: args[0], Text: a.file.Text, Files: a.file.Files, By: *by}
		if *base >= 0 {
			req.Base = base
		}
		f, err := admin.NewClient(*address).Apply(cmd.Context(), req)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "applied number %d: %s\n", f.N, fleetSummary(a))
		return nil
	}
	return cmd
}

func newHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the fleet files that were applied, newest first",
		Args:  exactly(0, "no arguments"),
	}
	address := adminFlag(cmd)
	show := cmd.Flags().Int64("show", 0, "print the text of this number instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := admin.NewClient(*address).History(cmd.Context())
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, f := range list {
			if f.N == *show {
				fmt.Fprint(cmd.OutOrStdout(), f.Text)
				return nil
			}
			if *show == 0 {
				fmt.Fprintf(t, "%d\t%s\t%s\t%.8s\n", f.N, f.At.Local().Format(time.DateTime), f.By, f.Hash)
			}
		}
		if *show != 0 {
			return fmt.Errorf("the history has no number %d", *show)
		}
		return t.Flush()
	}
	return cmd
}
