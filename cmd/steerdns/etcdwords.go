package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxWords bounds a line of the store's process, in bytes.
const maxWords = 64 << 10

// etcdWords is what the processes of the embedded etcd write to standard
// error: lines of JSON by slog, which go to our log, and at the end, from Go
// itself, why it could not go on. What one process said the next does not say
// again soon, so that what fails again and again is in the log once.
type etcdWords struct {
	log *slog.Logger

	mu    sync.Mutex
	part  []byte         // of a line
	end   string         // the first line that tells of an end
	worst string         // the last error that was logged
	began time.Time      // of the process
	nth   int            // which process it is
	said  map[string]int // messages, by the process that said them last
}

func newEtcdWords(log *slog.Logger) *etcdWords {
	return &etcdWords{log: log, said: map[string]int{}}
}

// begin is the start of another process.
func (w *etcdWords) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part, w.end, w.worst, w.began = nil, "", "", time.Now()
	w.nth++
}

// forget lets everything be said again.
func (w *etcdWords) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.said)
}

// last is why the process ended, as far as it said so.
func (w *etcdWords) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.end != "" {
		return w.end
	}
	return w.worst
}

func (w *etcdWords) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, text...)
	for {
		line, rest, whole := bytes.Cut(w.part, []byte("\n"))
		if !whole {
			break
		}
		w.line(line)
		w.part = rest
	}
	if len(w.part) > maxWords {
		w.part = nil
	}
	return len(text), nil
}

// ends begin the lines that tell of an end: by Go, and by main.
var ends = []string{"panic: ", "fatal error: ", "steerdns: "}

func (w *etcdWords) line(line []byte) {
	var record map[string]any
	if json.Unmarshal(line, &record) == nil {
		w.record(record)
		return
	}
	text := strings.ToValidUTF8(string(line), "?")
	w.log.Debug("etcd: " + text)
	if w.end == "" && slices.ContainsFunc(ends, func(p string) bool { return strings.HasPrefix(text, p) }) {
		w.end = strings.TrimPrefix(text, "steerdns: ")
	}
}

func (w *etcdWords) record(record map[string]any) {
	message, _ := record[slog.MessageKey].(string)
	word, _ := record[slog.LevelKey].(string)
	level := slog.LevelError
	_ = level.UnmarshalText([]byte(word)) // what has no level is an error
	for _, key := range []string{slog.MessageKey, slog.LevelKey, slog.TimeKey} {
		delete(record, key)
	}
	if level >= slog.LevelError {
		w.worst = message
		if err, ok := record["error"].(string); ok {
			w.worst += ": " + err
		}
	}
	if last, said := w.said[message]; said && last != w.nth && time.Since(w.began) < storeSteady {
		return
	}
	w.said[message] = w.nth
	var attributes []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(record)) {
		attributes = append(attributes, slog.Any(key, record[key]))
	}
	w.log.LogAttrs(context.Background(), level, message, attributes...)
}
