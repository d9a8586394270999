package store

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap is a logger for etcd. Once closing is set, what etcd complains of is
// its own end and nobody's matter. What etcd cannot go on after (a disk that
// cannot be written, a file that cannot be read) ends the goroutine that met it
// and is told to failed: the process is not the logger's to end.
func newZap(log *slog.Logger, closing *atomic.Bool, failed func(error)) *zap.Logger {
	end := lastWord{failed}
	return zap.New(&zapBridge{log: log, closing: closing}, zap.WithFatalHook(end), zap.WithPanicHook(end))
}

// lastWord takes what etcd says when it gives up.
type lastWord struct{ failed func(error) }

// OnWrite is part of zapcore.CheckWriteHook.
func (w lastWord) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	w.failed(errors.New(e.Message + causes(fields)))
	runtime.Goexit()
}

// causes are the errors among the fields.
func causes(fields []zapcore.Field) (out string) {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			out += ": " + err.Error()
		}
	}
	return out
}

// zapBridge gives etcd's warnings and errors to slog and drops the rest; its
// last word is lastWord's.
type zapBridge struct {
	log     *slog.Logger
	closing *atomic.Bool
	fields  []zapcore.Field
}

// expected are warnings about what was chosen on purpose.
var expected = []string{
	"Running http and grpc server on single port",
	"simple token is not cryptographically signed",
}

// Enabled is part of zapcore.Core.
func (b *zapBridge) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel && l <= zapcore.ErrorLevel && !b.closing.Load()
}

// With is part of zapcore.Core.
func (b *zapBridge) With(fields []zapcore.Field) zapcore.Core {
	return &zapBridge{log: b.log, closing: b.closing, fields: append(b.fields[:len(b.fields):len(b.fields)], fields...)}
}

// Check is part of zapcore.Core.
func (b *zapBridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.Enabled(e.Level) {
		return c
	}
	for _, m := range expected {
		if strings.HasPrefix(e.Message, m) {
			return c
		}
	}
	return c.AddCore(e, b)
}

// Write is part of zapcore.Core.
func (b *zapBridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range append(b.fields[:len(b.fields):len(b.fields)], fields...) {
		f.AddTo(encoder)
	}
	attributes := make([]slog.Attr, 0, len(encoder.Fields))
	for name, value := range encoder.Fields {
		attributes = append(attributes, slog.Any(name, value))
	}
	b.log.LogAttrs(context.Background(), level, "etcd: "+e.Message, attributes...)
	return nil
}

// Sync is part of zapcore.Core.
func (b *zapBridge) Sync() error { return nil }
