package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a three-region fleet on this machine, to dig and to break",
		Long: `Starts, on loopback only: an etcd, three regions (us-east, us-west, eu-west),
two instances of steerdns and two HTTP backends in each, every one a process of
its own with real probes and real packets. It prints what to dig and how to
break things, then tells every verdict as it changes. Ctrl-C ends all of it.

Ports: DNS 5301 to 5306, admin 8301 to 8306, control 8300 and etcd 8379 on
127.0.0.1; backends on 8380 of 127.0.31.1-2, 127.0.32.1-2 and 127.0.33.1-2.
--ports 0 takes free ones instead.`,
		Example: `  steerdns demo
  steerdns demo --ports 0 --state demo.json
  steerdns demo start eu-west-web-1     # bring back what was killed`,
		Args: exactly(0, "no arguments"),
	}
	ports := cmd.Flags().String("ports", "fixed", `"fixed", or 0 for free ones`)
	state := cmd.Flags().String("state", "", "write a JSON description to this file once everything answers")
	dir := cmd.Flags().String("dir", "", "directory for configuration, state and logs (default a new one, removed at the end)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *ports != "fixed" && *ports != "0" {
			return usageError{fmt.Errorf(`--ports takes "fixed" or 0, not %q`, *ports)}
		}
		return runDemo(cmd.Context(), demoOptions{free: *ports == "0", state: *state, dir: *dir, out: cmd.OutOrStdout()})
	}
	cmd.AddCommand(newDemoStart())
	return cmd
}

func newDemoStart() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start NAME...",
		Short: "Start instances or backends of the running demo that have ended",
		Example: `  steerdns demo start eu-west-web-1 eu-west-web-2
  steerdns demo start etcd`,
		Args: cobra.MinimumNArgs(1),
	}
	control := cmd.Flags().String("control", demoControl, "control address of the demo, host:port")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range args {
			pid, err := askStart(cmd.Context(), *control, name)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "started %s, pid %d\n", name, pid)
		}
		return nil
	}
	return cmd
}

// demoRun is one running demo.
type demoRun struct {
	opt   demoOptions
	plan  demoPlan
	exe   string
	voice *narrator
	crew  *crew
}

func runDemo(ctx context.Context, opt demoOptions) error {
	plan, err := makePlan(opt.free)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program to start it again: %w", err)
	}
	dir, cleanup, err := demoDir(opt.dir)
	if err != nil {
		return err
	}
	defer cleanup()
	plan.dir = dir
	voice := newNarrator(opt.out, plan.control)
	d := &demoRun{opt: opt, plan: plan, exe: exe, voice: voice, crew: newCrew(exe, dir, voice)}
	return d.run(ctx)
}

func (d *demoRun) run(ctx context.Context) error {
	defer d.crew.stopAll()
	if err := d.plan.write(); err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting
		}
		return err
	}
	stop, err := d.control()
	if err != nil {
		return err
	}
	defer stop()
	if d.opt.state != "" {
		if err := writeDemoState(d.opt.state, d.plan, d.crew); err != nil {
			return err
		}
	}
	d.voice.introduce(d.plan, d.crew)
	d.voice.follow(ctx, d.plan)
	d.voice.say("ending every process of the demo")
	return nil
}

// demoDir makes the directory of a demo.
func demoDir(dir string) (string, func(), error) {
	if dir != "" {
		dir, err := filepath.Abs(dir)
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		return dir, func() {}, err
	}
	dir, err := os.MkdirTemp("", "steerdns-demo-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func join(host string, port int) string { return host + ":" + strconv.Itoa(port) }
