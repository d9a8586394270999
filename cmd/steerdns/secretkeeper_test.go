package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steerdns/steerdns/dnsserver"
)

const oneSecret, otherSecret = "e5e973e5a6b2a43f48e7dc849e37bfcf\n", "445536bcd2513298075a5d379663c962\n"

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cookies")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretKeeperRefusesToStart(t *testing.T) {
	for text, want := range map[string]string{"": "no secret in it", "x": "line 1: not a secret"} {
		k := newSecretKeeper(secretFile(t, text), func(*dnsserver.CookieSecrets) { t.Error("set") }, slog.New(slog.DiscardHandler))
		if err := k.open(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), k.path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	k := newSecretKeeper("/nowhere/cookies", nil, slog.New(slog.DiscardHandler))
	if err := k.open(); err == nil || !strings.Contains(err.Error(), "dns.cookies.secrets_file") {
		t.Error(err)
	}
}

func TestSecretKeeperFollowsItsFile(t *testing.T) {
	path := secretFile(t, oneSecret)
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		set := 0
		k := newSecretKeeper(path, func(*dnsserver.CookieSecrets) { set++ }, slog.New(slog.NewTextHandler(&log, nil)))
		if err := k.open(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.run(ctx) }()
		for i, step := range []struct {
			text string
			set  int
			said string
		}{
			{oneSecret, 1, ""},
			{oneSecret + otherSecret, 2, "cookie secrets replaced"},
			{"oops", 2, "not a secret"},
			{"oops", 2, ""}, // once is enough
			{otherSecret, 3, "cookie secrets replaced"},
		} {
			log.Reset()
			if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(secretPoll + time.Second)
			synctest.Wait()
			if set != step.set || !strings.Contains(log.String(), step.said) || step.said == "" && log.Len() > 0 {
				t.Errorf("step %d: set %d times, said %q", i, set, log.String())
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
