package dnsserver

import (
	"context"
	"log/slog"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
)

// QueryLogOptions are about the sampled log of queries.
type QueryLogOptions struct {
	Share float64      // of the queries, up to 1; 0: no log
	Log   *slog.Logger // where it goes
}

// queryLog writes one line for each query on its tape.
type queryLog struct {
	tape *tape
	log  *slog.Logger
}

// run logs until ctx is done.
func (l *queryLog) run(ctx context.Context) error {
	for {
		rec, ok := l.tape.next(ctx)
		if !ok {
			return nil
		}
		l.log.LogAttrs(ctx, slog.LevelInfo, "query", rec.attrs()...)
		l.tape.done(rec)
	}
}

// attrs is a record for the log. What is not known or not so is left out.
func (rec *taped) attrs() []slog.Attr {
	var q wire.Query
	wire.Parse(rec.query, &q)
	out := []slog.Attr{slog.String("client", rec.client.String()), slog.String("transport", rec.tr.String())}
	if q.QName != nil {
		out = append(out, slog.String("name", zone.NameString(q.Name())), slog.String("type", dns.Type(q.QType).String()))
	}
	if q.EDNS.ECS.Present {
		out = append(out, slog.String("subnet", q.EDNS.ECS.Prefix().String()), slog.Int("scope", int(rec.scope)))
	}
	out = append(out, rec.outcome()...)
	if rec.cookie != cookieNone {
		out = append(out, slog.String("cookie", cookieStateNames[rec.cookie]))
	}
	if rec.limited != limitNone {
		out = append(out, slog.String("limited", limitActionNames[rec.limited]))
	}
	return append(out, slog.Duration("took", rec.done.Sub(rec.asked)))
}

// outcome is what was answered, and why.
func (rec *taped) outcome() (out []slog.Attr) {
	if len(rec.reply) >= wire.HeaderLen {
		out = append(out, slog.String("rcode", rcodeNames[rcodeIndex(rec.answer.rcode)]), slog.Int("octets", len(rec.reply)))
		if rec.reply[2]&byte(wire.FlagTC>>8) != 0 {
			out = append(out, slog.Bool("truncated", true))
		}
	}
	if rec.live == nil || rec.zone < 0 {
		return out
	}
	out = append(out, slog.String("zone", labelOf(rec.live.view.zones.Zones()[rec.zone].String())))
	t := rec.live.view.world.Topology
	if rec.answer.service >= 0 && t != nil {
		out = append(out, slog.String("service", labelOf(t.Services[rec.answer.service].Name)), slog.String("reason", rec.answer.reason))
	}
	if rec.answer.region >= 0 && t != nil {
		out = append(out, slog.String("region", t.Regions[rec.answer.region].Name))
	}
	return append(out, slog.String("epoch", rec.live.view.epoch))
}
