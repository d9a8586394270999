package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// defaultAdmin is where an instance without further configuration listens
// for operators.
const defaultAdmin = "127.0.0.1:8053"

func adminFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("admin", defaultAdmin, "admin address of any instance of the fleet, host:port")
}

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show instances, regions and endpoints with verdicts and reasons",
		Example: `  steerdns status
  steerdns status --admin 127.0.0.1:8301 --json`,
		Args: exactly(0, "no arguments"),
	}
	address := adminFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print the whole status as JSON")
	votes := cmd.Flags().Bool("votes", false, "show each vantage's vote as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := admin.NewClient(*address).Status(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), s)
		}
		return printStatus(cmd.OutOrStdout(), s, *votes)
	}
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printStatus(out io.Writer, s admin.Status, votes bool) error {
	fmt.Fprintf(out, "instance %s (%s), epoch %s, store revision %d\n", s.Instance, s.Region, s.Epoch, s.Revision)
	fmt.Fprintln(out, storeLine(s))
	for _, n := range s.Notes {
		fmt.Fprintln(out, "NOTE", n)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nINSTANCE\tREGION\tDNS\tADMIN\tEPOCH\tVERSION\tUP FOR")
	for _, in := range s.Instances {
		epoch := in.Epoch
		if !in.Alike {
			epoch += " (differs)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", in.Name, in.Region, strings.Join(in.DNS, " "), dash(in.Admin), epoch, in.Version, ago(in.Started))
	}
	fmt.Fprintln(t, "\nREGION\tVERDICT\tENDPOINTS UP\tFOR\tREASON")
	for _, r := range s.Regions {
		fmt.Fprintf(t, "%s\t%s\t%d of %d\t%s\t%s\n", r.Name, verdictWord(r.Verdict), r.Up, r.Total, ago(r.Since), r.Why())
		if votes && r.Entrance != nil {
			printVotes(t, "\t  its own check, from ", r.Entrance.Vantages)
		}
	}
	fmt.Fprintln(t, "\nSERVICE\tREGION\tADDRESS\tVERDICT\tFOR\tREASON")
	for _, e := range s.Endpoints {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Service, e.Region, e.Address, verdictWord(e.Verdict), ago(e.Since), e.Why())
		if votes {
			printVotes(t, "\t\t  from ", e.Vantages)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if s.Geo.Attribution != "" {
		fmt.Fprintln(out, "\n"+s.Geo.Attribution)
	}
	return nil
}

// printVotes lists which vantage says what, since when, and why.
func printVotes(t io.Writer, lead string, votes []regions.VantageVote) {
	for _, v := range votes {
		fmt.Fprintf(t, "%s%s\t%s\t%s\t%d up, %d down: %s\n", lead, v.Region, v.State, ago(v.Since), v.Up, v.Down, v.Reason)
	}
}

func storeLine(s admin.Status) string {
	how := "AWAY"
	if s.Store.Connected {
		how = "connected"
	}
	refused := ""
	if s.Store.Refused {
		refused = ", REFUSED"
	}
	state := "no state"
	if age, found := s.Store.Age(); found {
		state = fmt.Sprintf("state %.0fs old", age.Seconds())
	}
	return fmt.Sprintf("store: %s, %s for %s%s; %s", s.Store.Kind, how, ago(s.Store.Since), refused, state)
}

func verdictWord(v regions.Verdict) string {
	if f := admin.Flags(v); f != "" {
		return fmt.Sprintf("%s (%s)", v.State, f)
	}
	return v.State.String()
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return time.Since(t).Round(time.Second).String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
