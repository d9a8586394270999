package store

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap is a logger for etcd. Once closing is set, what etcd complains of is
// its own end and nobody's matter. What is fatal to etcd (a disk that cannot be
// written) ends the goroutine that met it, never the process: queries are
// answered on, and the silence of the store is noticed.
func newZap(log *slog.Logger, closing *atomic.Bool) *zap.Logger {
	return zap.New(&zapBridge{log: log, closing: closing}, zap.WithFatalHook(zapcore.WriteThenGoexit))
}

// zapBridge gives etcd's warnings and errors to slog and drops the rest.
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
	return l >= zapcore.WarnLevel && !b.closing.Load()
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
