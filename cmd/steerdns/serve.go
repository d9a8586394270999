package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one instance: answer, probe and vote",
		Long: `Runs one instance until SIGTERM or Ctrl-C, which let queries in flight finish
and take the instance out of the fleet. SIGHUP reads the fleet file and the
certificates again; a file with problems is refused whole and the one before
serves on. SIGUSR2 starts the program's file anew, with a new instance file,
and hands the sockets over when the new process is ready: no query is lost.

Without --config it runs a built-in example on 127.0.0.1:5300: one region, an
embedded etcd, the zone gslb.example.com. Then try
  dig @127.0.0.1 -p 5300 www.gslb.example.com`,
		Args: exactly(0, "no arguments"),
	}
	path := cmd.Flags().String("config", "", "the instance file; without it, the built-in example")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := instanceConfig(*path)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), conf, newLog(cmd.ErrOrStderr(), conf.Log))
	}
	return cmd
}

func instanceConfig(path string) (*config.Instance, error) {
	if path == "" {
		return config.DefaultInstance(), nil
	}
	in, problems := config.LoadInstance(path)
	return in, problems.Err()
}

func serve(ctx context.Context, conf *config.Instance, log *slog.Logger) error {
	given, before := passedIn(activation.Files)
	lock, err := lockData(conf.Data, before.dataLock(), log)
	if err != nil {
		return err
	}
	defer lock.Close() // nil is content
	in, err := newInstance(withRoom(conf), log, given, before)
	if err != nil {
		return err
	}
	in.lock = lock
	reload, stop := hangups()
	defer stop()
	unhook := context.AfterFunc(ctx, func() { notify(log, daemon.SdNotifyStopping) })
	defer unhook()
	err = in.run(ctx, reload, func() {
		log.With("instance", conf.Name, "region", conf.Region, "version", versionString()).Info("serving", in.listeners()...)
		if before == nil { // else systemd has been ready all the time
			notify(log, daemon.SdNotifyReady)
		}
	})
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// withRoom fixes the number of DNS workers and gives Go a processor for each
// and one for all else: a worker under load keeps its own, and lets go of it
// between packets at a cost when there is none to spare. A GOMAXPROCS in the
// environment stands.
func withRoom(conf *config.Instance) *config.Instance {
	fixed := *conf
	if fixed.DNS.Workers == 0 {
		fixed.DNS.Workers = runtime.GOMAXPROCS(0)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		workers := fixed.DNS.Workers * len(fixed.DNS.Listen)
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), workers+1))
	}
	return &fixed
}

func (in *instance) adminAddr() string {
	if in.adminLn == nil {
		return "off"
	}
	return in.adminLn.Addr().String()
}

// hangups turns SIGHUPs into values; several at once are one.
func hangups() (<-chan struct{}, func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	out := newLatest[struct{}]()
	go func() {
		for range signals {
			out.put(struct{}{})
		}
	}()
	return out.ch, func() {
		signal.Stop(signals)
		close(signals)
	}
}

// notify tells systemd, when it is listening.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "error", err)
	}
}

func newLog(w io.Writer, conf config.Log) *slog.Logger {
	opt := &slog.HandlerOptions{Level: conf.Level}
	if conf.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
