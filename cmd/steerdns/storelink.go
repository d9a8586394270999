package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// storeLink is an instance's way to the store: the user's cluster, or an
// embedded server that takes a moment to start. What is published before the
// store is there is kept and written then.
type storeLink struct {
	instance string
	conf     config.Store
	log      *slog.Logger
	after    <-chan struct{} // until it is closed another process has the store; nil: none

	mu     sync.Mutex
	client *store.Store      // nil until the embedded server runs
	votes  *regions.Ballot   // the latest, until client is there
	self   *regions.Instance // the latest, until client is there
}

// kind is how status and metrics call the store.
func (l *storeLink) kind() string {
	if l.conf.Embedded != nil {
		return "embedded"
	}
	return "etcd"
}

// storeRetry is the pause before a store that could not be set up, or whose
// embedded server ended, is tried again.
const storeRetry = 2 * time.Second

// run keeps the link until ctx ends. Nothing that happens to the store ends
// an instance: it is said, and tried again.
func (l *storeLink) run(ctx context.Context, picture func(*regions.Picture), status func(store.Status)) error {
	said := ""
	if !l.awaitTurn(ctx) {
		return nil
	}
	for {
		err := l.once(ctx, picture, status)
		if ctx.Err() != nil {
			return nil
		}
		if text(err) != said {
			said = text(err)
			l.log.Error("the store cannot be used; the last world stands, and it is tried again", "every", storeRetry, "error", err)
		}
		status(l.lost(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(storeRetry):
		}
	}
}

// awaitTurn waits until nobody else has the store, and says whether ctx is
// still on.
func (l *storeLink) awaitTurn(ctx context.Context) bool {
	if l.after == nil {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-l.after:
		return true
	}
}

// lost is the status of a store that ended with err.
func (l *storeLink) lost(err error) store.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := store.Status{}
	if l.client != nil {
		s = l.client.Status()
	}
	s.Connected, s.Since, s.Reason = false, time.Now(), text(err)
	return s
}

func (l *storeLink) once(ctx context.Context, picture func(*regions.Picture), status func(store.Status)) error {
	if l.conf.Etcd != nil {
		remote, prefix, err := remoteOf(l.conf.Etcd)
		if err != nil {
			return err
		}
		return l.consume(ctx, remote, prefix, picture, status)
	}
	return l.embed(ctx, picture, status)
}

func (l *storeLink) embed(ctx context.Context, picture func(*regions.Picture), status func(store.Status)) error {
	opt := store.EmbeddedOptions{Dir: l.conf.Embedded.Dir, Name: l.instance, Log: l.log}
	if l.conf.Embedded.Listen.IsValid() {
		opt.ListenClient = l.conf.Embedded.Listen.String()
	}
	server, err := store.NewEmbedded(opt)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	ready := make(chan string, 1)
	g.Go(func() error {
		defer stopServer()
		return server.Run(serverCtx, func(endpoint string) { ready <- endpoint })
	})
	g.Go(func() error {
		defer stopServer() // the server outlives its client, so that it can say goodbye
		select {
		case <-ctx.Done():
			return nil
		case endpoint := <-ready:
			return l.consume(ctx, store.Remote{Endpoints: []string{endpoint}}, "", picture, status)
		}
	})
	return g.Wait()
}

func (l *storeLink) consume(ctx context.Context, remote store.Remote, prefix string, picture func(*regions.Picture), status func(store.Status)) error {
	client, err := store.New(store.Options{Instance: l.instance, Prefix: prefix, Remote: remote, Log: l.log})
	if err != nil {
		return err
	}
	l.attach(client)
	err = client.Run(ctx, picture, status)
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if leaveErr := client.Leave(bye); leaveErr != nil {
		l.log.Warn("left the fleet without a word; its votes end with their lease", "error", leaveErr)
	}
	return err
}

func (l *storeLink) attach(client *store.Store) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = client
	if l.votes != nil {
		client.PublishVotes(*l.votes)
	}
	if l.self != nil {
		client.PublishInstance(*l.self)
	}
}

// believe tells the store whether its last picture is believed.
func (l *storeLink) believe(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		l.client.Believe(yes)
	}
}

func (l *storeLink) publishVotes(b regions.Ballot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.votes = &b
	if l.client != nil {
		l.client.PublishVotes(b)
	}
}

func (l *storeLink) publishInstance(in regions.Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.self = &in
	if l.client != nil {
		l.client.PublishInstance(in)
	}
}

// use is the store for an operator's read or write.
func (l *storeLink) use() (*store.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return nil, &admin.Refusal{Status: http.StatusServiceUnavailable, Message: "the embedded store is still starting; try again in a moment"}
	}
	return l.client, nil
}

// refusal maps a store's error to what an operator is told.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		return &admin.Refusal{Status: http.StatusConflict, Message: err.Error()}
	case errors.Is(err, store.ErrInvalid):
		return &admin.Refusal{Status: http.StatusUnprocessableEntity, Message: err.Error()}
	}
	return &admin.Refusal{Status: http.StatusServiceUnavailable, Message: err.Error()}
}

// remoteOf reads the password file, if any; everything else is in the
// instance file.
func remoteOf(c *config.Etcd) (store.Remote, string, error) {
	password := c.Password
	if c.PasswordFile != "" {
		var err error
		if password, err = firstLine(c.PasswordFile); err != nil {
			return store.Remote{}, "", err
		}
	}
	return store.Remote{
		Endpoints: c.Endpoints, CAFile: c.CA, CertFile: c.Cert, KeyFile: c.Key,
		Username: c.Username, Password: password,
	}, c.Prefix, nil
}
