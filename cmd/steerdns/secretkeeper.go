package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/steerdns/steerdns/dnsserver"
)

// secretPoll is how often a file of secrets is looked at.
const secretPoll = 5 * time.Second

// secretKeeper follows a file of secrets. What it refuses is never told, only why.
type secretKeeper struct {
	path string
	key  string // of the instance file
	what string // "cookie secrets"
	log  *slog.Logger
	use  func(text []byte) error // takes them, or refuses them all

	text []byte // in force or refused; owned by run
	ill  string // why it cannot be read; owned by run
}

// newSecretKeeper follows the fleet's cookie secrets.
func newSecretKeeper(path string, set func(*dnsserver.CookieSecrets), log *slog.Logger) *secretKeeper {
	return &secretKeeper{path: path, key: "dns.cookies.secrets_file", what: "cookie secrets", log: log, use: func(text []byte) error {
		secrets, err := dnsserver.ParseCookieSecrets(text)
		if err == nil {
			set(secrets)
		}
		return err
	}}
}

// newKeyKeeper follows the keys of signed queries and transfers.
func newKeyKeeper(path string, use func(text []byte) error, log *slog.Logger) *secretKeeper {
	return &secretKeeper{path: path, key: "dns.tsig_keys", what: "TSIG keys", log: log, use: use}
}

// open reads the file for the first time: an instance does not start with
// secrets that cannot be read.
func (k *secretKeeper) open() error {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("%s: %w", k.key, err)
	}
	if err := k.use(text); err != nil {
		return fmt.Errorf("%s: %s: %w", k.key, k.path, err)
	}
	if info, err := os.Stat(k.path); err == nil && info.Mode().Perm()&0o077 != 0 {
		k.log.Warn("others can read the "+k.what+"; chmod 600 the file", "file", k.path, "mode", fs.FileMode.String(info.Mode()))
	}
	k.text = text
	return nil
}

// run takes changes of the file until ctx is done. What is no secret changes
// nothing.
func (k *secretKeeper) run(ctx context.Context) error {
	tick := time.NewTicker(secretPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.look()
		}
	}
}

func (k *secretKeeper) look() {
	text, err := os.ReadFile(k.path)
	if err == nil && bytes.Equal(text, k.text) {
		k.ill = ""
		return
	}
	if err == nil {
		k.text = text
		err = k.use(text)
	}
	if err != nil {
		if k.ill != err.Error() {
			k.log.Error("the "+k.what+" were refused; those before serve on", "file", k.path, "error", err)
		}
		k.ill = err.Error()
		return
	}
	k.ill = ""
	k.log.Info(k.what+" replaced", "file", k.path)
}
