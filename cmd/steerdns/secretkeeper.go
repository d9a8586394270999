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

// secretPoll is how often the file of cookie secrets is looked at.
const secretPoll = 5 * time.Second

// secretKeeper follows the file with the fleet's cookie secrets.
type secretKeeper struct {
	path string
	log  *slog.Logger
	set  func(*dnsserver.CookieSecrets)

	text []byte // in force or refused; owned by run
	ill  string // why it cannot be read; owned by run
}

func newSecretKeeper(path string, set func(*dnsserver.CookieSecrets), log *slog.Logger) *secretKeeper {
	return &secretKeeper{path: path, set: set, log: log}
}

// open reads the file for the first time: an instance does not start with
// secrets that the fleet does not share.
func (k *secretKeeper) open() error {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("dns.cookies.secrets_file: %w", err)
	}
	secrets, err := dnsserver.ParseCookieSecrets(text)
	if err != nil {
		return fmt.Errorf("dns.cookies.secrets_file: %s: %w", k.path, err)
	}
	if info, err := os.Stat(k.path); err == nil && info.Mode().Perm()&0o077 != 0 {
		k.log.Warn("others can read the cookie secrets; chmod 600 the file", "file", k.path, "mode", fs.FileMode.String(info.Mode()))
	}
	k.text = text
	k.set(secrets)
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
	var secrets *dnsserver.CookieSecrets
	if err == nil {
		k.text = text
		secrets, err = dnsserver.ParseCookieSecrets(text)
	}
	if err != nil {
		if k.ill != err.Error() {
			k.log.Error("the cookie secrets were refused; those before serve on", "file", k.path, "error", err)
		}
		k.ill = err.Error()
		return
	}
	k.ill = ""
	k.set(secrets)
	k.log.Info("cookie secrets replaced", "file", k.path)
}
