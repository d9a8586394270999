package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions/store"
)

// newBackend is a small web server that stands in for the user's service in
// the demo: a real process that can be killed and stopped.
func newBackend() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "backend NAME",
		Short:  "Serve HTTP as one of the demo's backends",
		Hidden: true,
		Args:   exactly(1, "a name"),
	}
	listen := cmd.Flags().String("listen", "127.0.0.1:8080", "address, host:port")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ln, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
		mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, args[0]) })
		return serveHTTP(cmd.Context(), ln, mux)
	}
	return cmd
}

func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newEtcd is the embedded store, in a process of its own: an instance keeps one
// that is tied to it, and the demo one that can be lost without losing anything
// else.
func newEtcd() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "etcd",
		Short:  "Run the embedded etcd alone, as instances and the demo do",
		Hidden: true,
		Args:   exactly(0, "no arguments"),
	}
	opt := store.EmbeddedOptions{}
	cmd.Flags().StringVar(&opt.Dir, "dir", "", "data directory (required)")
	cmd.Flags().StringVar(&opt.Name, "name", "demo", "name of the member")
	cmd.Flags().StringVar(&opt.ListenClient, "listen", "127.0.0.1:2379", "client address, host:port")
	tied := cmd.Flags().Bool("tied", false, "end when standard input ends and at no signal, and log as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, stdin := config.LogText, io.Reader(nil)
		if *tied {
			tie()
			format, stdin = config.LogJSON, cmd.InOrStdin()
		}
		opt.Log = newLog(cmd.ErrOrStderr(), config.Log{Level: slog.LevelWarn, Format: format})
		return serveEtcd(cmd.Context(), opt, stdin, cmd.OutOrStdout())
	}
	return cmd
}
