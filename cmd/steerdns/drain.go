package main

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

func newDrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain region|service|endpoint NAME --reason WHY --for 30m",
		Short: "Take a region, service or endpoint out of the answers for a while",
		Long: `Writes an override that every instance obeys at once and that ends by itself,
on every instance's own clock, even without the store. A drain that would leave
a service without a region that is up is refused unless --force is given; so is
one that somebody else has in force, unless --replace is given.

An endpoint is named as status --json shows its id: SERVICE/REGION/ADDRESS.`,
		Example: `  steerdns drain region eu-west --reason "rack maintenance" --for 30m
  steerdns drain endpoint www.gslb.example.com/eu-west/192.0.2.1 --reason "kernel update" --for 10m`,
		Args: exactly(2, "what to drain and its name: region|service|endpoint NAME"),
	}
	address := adminFlag(cmd)
	var r admin.OverrideRequest
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why; everybody who looks at the status reads it (required)")
	cmd.Flags().StringVar(&r.For, "for", "30m", "how long; the override ends by itself")
	cmd.Flags().StringVar(&r.Owner, "owner", currentOwner(), "who")
	cmd.Flags().BoolVar(&r.Force, "force", false, "drain even if nothing that is up remains")
	cmd.Flags().BoolVar(&r.Replace, "replace", false, "take over an override that is in force")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Kind, r.Name = regions.OverrideKind(args[0]), args[1]
		o, err := admin.NewClient(*address).PutOverride(cmd.Context(), r)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "drained %s %s until %s (%s): %s\n", o.Kind, o.Name,
			o.Expires.Local().Format(time.TimeOnly), o.Owner, o.Reason)
		fmt.Fprintf(cmd.OutOrStdout(), "to end it earlier: steerdns undrain %s %s --admin %s\n", o.Kind, o.Name, *address)
		return nil
	}
	return cmd
}

func newUndrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "undrain region|service|endpoint NAME",
		Short: "End a drain before its time",
		Args:  exactly(2, "what to undrain and its name: region|service|endpoint NAME"),
	}
	address := adminFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := admin.NewClient(*address).DeleteOverride(cmd.Context(), regions.OverrideKind(args[0]), args[1])
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "ended the drain of %s %s that %s had set: %s\n", o.Kind, o.Name, o.Owner, o.Reason)
		return nil
	}
	return cmd
}

// currentOwner is who runs this command, as user@host.
func currentOwner() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
