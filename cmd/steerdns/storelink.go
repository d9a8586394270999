package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

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
	client *store.Store      // nil: there is no store to ask, told.Reason says why
	told   store.Status      // the latest
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

const (
	// storeRetry is the pause before a store that could not be set up, or whose
	// embedded server ended, is tried again.
	storeRetry = 2 * time.Second
	// storeSteady is longer than any start takes: the end of a store that lasted
	// so long is news, whatever was said before.
	storeSteady = 2 * storeReady
)

// run keeps the link until ctx ends. Nothing that happens to the store ends
// an instance: it is said, and tried again.
func (l *storeLink) run(ctx context.Context, picture func(*regions.Picture), status func(store.Status)) error {
	status = l.telling(status)
	if !l.awaitTurn(ctx, status) {
		return nil
	}
	status(store.Status{Reason: "starting"})
	said, words := "", newEtcdWords(l.log)
	for {
		began := time.Now()
		err := l.once(ctx, words, picture, status)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > storeSteady {
			said = ""
			words.forget()
		}
		if text(err) != said {
			said = text(err)
			l.log.Error("the store cannot be used; it is tried again", "every", storeRetry, "error", err)
		}
		status(l.lost(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(storeRetry):
		}
	}
}

// telling keeps what is told and passes it on. However often a store that is
// away is tried again, it is away since it was lost.
func (l *storeLink) telling(status func(store.Status)) func(store.Status) {
	return func(s store.Status) {
		l.mu.Lock()
		switch {
		case l.told.Since.IsZero():
			s.Since = time.Now()
		case l.told.Connected == s.Connected:
			s.Since = l.told.Since
		}
		l.told = s
		l.mu.Unlock()
		status(s)
	}
}

// awaitTurn waits until nobody else has the store, and says whether ctx is
// still on.
func (l *storeLink) awaitTurn(ctx context.Context, status func(store.Status)) bool {
	if l.after == nil {
		return ctx.Err() == nil
	}
	status(store.Status{Reason: "the process before, which hands over, has it still"})
	select {
	case <-ctx.Done():
		return false
	case <-l.after:
		return true
	}
}

// lost is the status of a store that ended with err: what the last client
// found wrong with it, the next one finds anew.
func (l *storeLink) lost(err error) store.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.told
	if s.Connected {
		s.Since = time.Now()
	}
	s.Connected, s.Behind, s.Twin, s.Reason = false, false, false, text(err)
	return s
}

func (l *storeLink) once(ctx context.Context, words *etcdWords, picture func(*regions.Picture), status func(store.Status)) error {
	if l.conf.Etcd != nil {
		remote, prefix, err := remoteOf(l.conf.Etcd)
		if err != nil {
			return err
		}
		return l.consume(ctx, remote, prefix, picture, status)
	}
	return l.embed(ctx, words, picture, status)
}

// embed starts etcd and uses it until one of them ends. The server outlives
// its client, so that this can say goodbye.
func (l *storeLink) embed(ctx context.Context, words *etcdWords, picture func(*regions.Picture), status func(store.Status)) error {
	opt := store.EmbeddedOptions{Dir: l.conf.Embedded.Dir, Name: l.instance, ListenClient: "127.0.0.1:0"}
	if l.conf.Embedded.Listen.IsValid() {
		opt.ListenClient = l.conf.Embedded.Listen.String()
	}
	words.begin()
	server, err := startStore(opt, words)
	if err != nil {
		return err
	}
	defer server.stop()
	endpoint, err := server.await(ctx)
	if err != nil {
		return err
	}
	ctx, release := server.while(ctx)
	defer release()
	err = l.consume(ctx, store.Remote{Endpoints: []string{endpoint}}, "", picture, status)
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

func (l *storeLink) consume(ctx context.Context, remote store.Remote, prefix string, picture func(*regions.Picture), status func(store.Status)) error {
	client, err := store.New(store.Options{Instance: l.instance, Prefix: prefix, Remote: remote, Log: l.log})
	if err != nil {
		return err
	}
	l.attach(client)
	defer l.detach()
	err = client.Run(ctx, picture, status)
	if errors.Is(context.Cause(ctx), errStoreEnded) {
		return err // there is nobody to say goodbye to
	}
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

func (l *storeLink) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = nil
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
		return nil, &admin.Refusal{Status: http.StatusServiceUnavailable, Message: "the store is away: " + l.told.Reason}
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
