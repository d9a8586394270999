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
	var r admin.OverrideRequest
	cmd := &cobra.Command{
		Use:   "drain region|service|endpoint NAME --reason WHY --for 30m",
		Short: "Take a region, service or endpoint out of the answers for a while",
		Long: `Writes an override that every instance obeys at once and that ends by itself,
on every instance's own clock, even without the store. A drain is refused that
would take something from a service and leave it fewer than --keep regions that
are up, unless --force is given; so is one of what somebody else has drained or
pinned, unless --replace is given.

An endpoint is named as status --json shows its id: SERVICE/REGION/ADDRESS.`,
		Example: `  steerdns drain region eu-west --reason "rack maintenance" --for 30m --keep 2
  steerdns drain endpoint www.gslb.example.com/eu-west/192.0.2.1 --reason "kernel update" --for 10m`,
		Args: exactly(2, "what to drain and its name: region|service|endpoint NAME"),
	}
	address := overrideFlags(cmd, &r, "30m")
	cmd.Flags().IntVar(&r.Keep, "keep", 0, "drain only if so many regions stay up for every service (default 1)")
	cmd.Flags().BoolVar(&r.Force, "force", false, "drain even if nothing that is up remains")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Kind, r.Name = regions.OverrideKind(args[0]), args[1]
		return putOverride(cmd, *address, r, "undrain "+args[0])
	}
	return cmd
}

func newPin() *cobra.Command {
	r := admin.OverrideRequest{Action: regions.ActionPin}
	cmd := &cobra.Command{
		Use:   "pin region|service|endpoint NAME --reason WHY --for 30m",
		Short: "Keep a region, service or endpoint up for a while, whatever its checks say",
		Long: `Writes an override like a drain, with the opposite meaning: what it is about is
up, whatever votes, brake, holds and needs say. It is for when the checks are
wrong. All endpoints of a pinned region or service are pinned; a drain of any
of them is stronger. Votes go on, and status shows them.`,
		Example: `  steerdns pin region eu-west --reason "probes are filtered there" --for 1h`,
		Args:    exactly(2, "what to pin and its name: region|service|endpoint NAME"),
	}
	address := overrideFlags(cmd, &r, "30m")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Kind, r.Name = regions.OverrideKind(args[0]), args[1]
		return putOverride(cmd, *address, r, "unpin "+args[0])
	}
	return cmd
}

func newFailback() *cobra.Command {
	r := admin.OverrideRequest{Kind: regions.OverrideFailback}
	cmd := &cobra.Command{
		Use:   "failback region NAME",
		Short: "Let a region come back that waits for your word",
		Long: `A region with failback: manual stays out after an outage until an operator lets
it back. The word counts for the outage that is on, also before the region is
up again: it comes back as soon as it is up and its hold is over, as long as
the override is in force.`,
		Example: `  steerdns failback region eu-west --reason "storage checked"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && args[0] != string(regions.OverrideRegion) {
				return usageError{fmt.Errorf("only a region waits for a word: steerdns failback region NAME")}
			}
			return exactly(2, "region and its name: region NAME")(cmd, args)
		},
	}
	address := overrideFlags(cmd, &r, "1h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Name = args[1]
		if r.Reason == "" {
			r.Reason = "failback"
		}
		o, err := admin.NewClient(*address).PutOverride(cmd.Context(), r)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "region %s may come back as soon as it is up and its hold is over, %s\n", o.Name, untilWhen(o))
		return nil
	}
	return cmd
}

// overrideFlags are those that all overrides have.
func overrideFlags(cmd *cobra.Command, r *admin.OverrideRequest, length string) (address *string) {
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why; everybody who looks at the status reads it")
	cmd.Flags().StringVar(&r.For, "for", length, "how long; the override ends by itself")
	cmd.Flags().StringVar(&r.Owner, "owner", currentOwner(), "who")
	cmd.Flags().BoolVar(&r.Replace, "replace", false, "take over an override that is in force")
	return adminFlag(cmd)
}

func putOverride(cmd *cobra.Command, address string, r admin.OverrideRequest, undo string) error {
	o, err := admin.NewClient(address).PutOverride(cmd.Context(), r)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s\n", o.Verb(), o.Kind, o.Name, untilWhen(o))
	fmt.Fprintf(cmd.OutOrStdout(), "to end it earlier: steerdns %s %s --admin %s\n", undo, o.Name, address)
	return nil
}

// untilWhen is an override's end, owner and reason, the end as in the status.
func untilWhen(o regions.Override) string {
	return fmt.Sprintf("until %s (%s): %s", o.Expires.UTC().Format(time.RFC3339), o.Owner, o.Reason)
}

func newUndrain() *cobra.Command {
	return newEnd("undrain", "drain", regions.ActionDrain)
}

func newUnpin() *cobra.Command {
	return newEnd("unpin", "pin", regions.ActionPin)
}

// newEnd makes the verb that ends an override of one action.
func newEnd(verb, what string, action regions.Action) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " region|service|endpoint NAME",
		Short: "End a " + what + " before its time",
		Args:  exactly(2, "what to "+verb+" and its name: region|service|endpoint NAME"),
	}
	address := adminFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := admin.NewClient(*address).EndOverride(cmd.Context(), regions.OverrideKind(args[0]), args[1], action)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "ended the %s of %s %s that %s had set: %s\n", what, o.Kind, o.Name, o.Owner, o.Reason)
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
