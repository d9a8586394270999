package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/config"
)

func newCheckConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE...",
		Short: "Check fleet files and instance files, and name every problem",
		Long: `Reads each file with the loader that serve uses and prints every problem as
file:line:col: path: problem (what to do). Exit status 1 when there is one. A note
is about what a good file may not have been meant to do.

A file with a top-level key "zones", "regions" or "services" is taken for a
fleet file, any other for an instance file; with an instance file, the fleet
file that it names is checked as well.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("check-config wants at least one file")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ok := true
			for _, path := range args {
				ok = checkFile(cmd.OutOrStdout(), cmd.ErrOrStderr(), path) && ok
			}
			if !ok {
				return errAlreadySaid
			}
			return nil
		},
	}
}

func checkFile(stdout, stderr io.Writer, path string) bool {
	words, err := checkOne(path)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return false
	}
	fmt.Fprintf(stdout, "%s: ok: %s\n", path, words)
	return true
}

// checkOne returns a summary of a good file.
func checkOne(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && !config.IsFleet(text) {
		return checkInstance(path)
	}
	f, problems := config.LoadFleet(path) // says it better when the file cannot be read
	a, err := assemble(f, problems, nil)
	if err != nil {
		return "", err
	}
	return fleetSummary(a) + brakeNote(f), nil
}

func checkInstance(path string) (string, error) {
	in, problems := config.LoadInstance(path)
	if in == nil {
		return "", problems.Err()
	}
	words := fmt.Sprintf("instance %s in region %s", in.Name, in.Region)
	if in.Fleet.Path == "" {
		return words, problems.Err()
	}
	f, ofFleet := config.LoadFleet(in.Fleet.Path)
	if f != nil {
		problems = append(problems, checkRegion(in, f)...)
	}
	a, err := assemble(f, ofFleet, nil)
	if err := errors.Join(problems.Sorted().Err(), err); err != nil {
		return "", err
	}
	return words + "; " + in.Fleet.Path + ": " + fleetSummary(a) + brakeNote(f), nil
}

// brakeNote is a line for a good fleet file whose brake lets no region go, though
// it has a share and there are regions that could.
func brakeNote(f *config.Fleet) string {
	share, n := f.Brake.Share, len(f.Regions)
	if share == 0 || n == 1 || share*float64(n) > 1-1e-9 {
		return ""
	}
	return "\nnote: " + config.Problem{
		Pos: f.Brake.Pos, Path: "brake.share", Message: fmt.Sprintf("%.4g%% of %d regions is less than one, so verdicts never take a region out of the answers", 100*share, n),
		Fix: fmt.Sprintf("write %d%% or more, or 0%% if that is meant", (99+n)/n),
	}.String()
}

// checkRegion refuses an instance whose region the fleet does not have: its
// votes would count for nothing. Where a region's name could not be read, that
// is problem enough.
func checkRegion(in *config.Instance, f *config.Fleet) config.Problems {
	var known []string
	for _, r := range f.Regions {
		known = append(known, r.Name)
	}
	if len(known) == 0 || slices.Contains(known, "") || in.Region == "" || slices.Contains(known, in.Region) {
		return nil
	}
	return config.Problems{{
		Pos: in.RegionPos, Path: "region", Message: fmt.Sprintf("the fleet has no region %q", in.Region),
		Fix: "use one of: " + strings.Join(known, ", "),
	}}
}

func fleetSummary(a *assembled) string {
	endpoints := 0
	for _, s := range a.topology.Services {
		endpoints += len(s.Endpoints)
	}
	return fmt.Sprintf("fleet of %s, %s, %s with %s, configuration %s",
		count(len(a.zones.Zones()), "zone"), count(len(a.topology.Regions), "region"),
		count(len(a.topology.Services), "service"), count(endpoints, "endpoint"), topologyID(a.topology))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
