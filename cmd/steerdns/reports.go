package main

import (
	"context"
	"log/slog"
	"net"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver"
)

// reports is the listener where endpoints report themselves.
type reports struct {
	server *admin.PushServer
	ln     *net.TCPListener
}

// openReports reads the files and opens the listener; nil without one.
func openReports(conf config.Push, to admin.Reporter, given *dnsserver.Sockets, log *slog.Logger) (*reports, error) {
	if !conf.Listen.IsValid() {
		return nil, nil
	}
	server, err := admin.NewPushServer(admin.PushOptions{
		Reporter: to, Tokens: conf.Tokens, Cert: conf.Cert, Key: conf.Key, Log: log,
	})
	if err != nil {
		return nil, err
	}
	ln, err := listenOn(given, pushSocket, conf.Listen)
	if err != nil {
		return nil, err
	}
	log.Info("endpoints may report", "address", ln.Addr(), "tls", conf.Cert != "")
	return &reports{server, ln}, nil
}

func (r *reports) run(ctx context.Context) error { return r.server.Run(ctx, r.ln) }
