package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions/steering"
)

func newExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain NAME --from ADDRESS",
		Short: "Say what a client gets for a service, and why",
		Example: `  steerdns explain www.gslb.example.com --from 192.0.2.7
  steerdns explain www.gslb.example.com --from 2001:db8:20::/48`,
		Args: exactly(1, "the name of one service"),
	}
	address := adminFlag(cmd)
	from := cmd.Flags().String("from", "", "the client's address or prefix (required)")
	asJSON := cmd.Flags().Bool("json", false, "print the explanation as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *from == "" {
			return usageError{fmt.Errorf("say which client: --from 192.0.2.7")}
		}
		x, err := admin.NewClient(*address).Explain(cmd.Context(), args[0], *from)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), x)
		}
		return printExplanation(cmd.OutOrStdout(), x)
	}
	return cmd
}

func printExplanation(out io.Writer, x admin.Explanation) error {
	fmt.Fprintf(out, "%s for a client at %s, as %s answers in epoch %s\n", x.Name, x.From, x.Instance, x.Epoch)
	fmt.Fprintf(out, "place: %s\n", placeWords(x.Place))
	fmt.Fprintf(out, "cell %d, variant %d\n", x.Cell, x.Variant)
	for _, f := range x.Families {
		if err := printFamily(out, f); err != nil {
			return err
		}
	}
	return nil
}

func printFamily(out io.Writer, f admin.FamilyDecision) error {
	fmt.Fprintf(out, "\n%s: %s, TTL %d, scope /%d: %s\n", f.Type, f.Outcome, f.TTL, f.Scope, f.Reason.Text)
	if len(f.Fallback) > 0 {
		fmt.Fprintln(out, "the fallback set answers:", strings.Join(f.Fallback, ", "))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, c := range f.Candidates {
		if c.Reason.Code == steering.CodeOtherFamily {
			continue // the other table shows it
		}
		mark := "  -"
		if c.Kept {
			mark = fmt.Sprintf("%3d", i+1)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", mark, c.Address, c.Region, distance(c.DistanceKm), c.State, c.Reason.Code, reasonWords(c))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "the same from a shell:", f.Dig)
	return nil
}

// reasonWords is why an endpoint is kept or dropped, with the evidence.
func reasonWords(c admin.ExplainedCandidate) string {
	if c.Evidence == "" {
		return c.Reason.Text
	}
	return c.Reason.Text + " (" + c.Evidence + ")"
}

func placeWords(p geo.Place) string {
	var words []string
	if p.Located {
		words = append(words, fmt.Sprintf("%.1f, %.1f", p.Lat, p.Lon))
	} else {
		words = append(words, "unknown coordinates: no region is nearer than another")
	}
	for _, w := range []struct{ name, value string }{
		{"country", p.Country}, {"continent", p.Continent}, {"subdivision", p.Subdivision},
	} {
		if w.value != "" {
			words = append(words, w.name+" "+w.value)
		}
	}
	if p.ASN != 0 {
		words = append(words, fmt.Sprintf("AS%d", p.ASN))
	}
	return fmt.Sprintf("%s (%s says so for %s)", strings.Join(words, ", "), p.Source, p.Prefix)
}

func distance(km float64) string {
	if km < 0 {
		return "? km"
	}
	return fmt.Sprintf("%.0f km", km)
}
