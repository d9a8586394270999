package main

import (
	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/healthcheck"
)

// checksOf makes all checks, by name; combinations hold those that they count.
func checksOf(list []config.Check) map[string]healthcheck.Check {
	byName := map[string]config.Check{}
	for _, c := range list {
		byName[c.Name] = c
	}
	out := map[string]healthcheck.Check{}
	for _, c := range list {
		out[c.Name] = checkOf(c, byName)
	}
	return out
}

// checkOf makes one check. What it counts is known and never itself: the fleet
// file was validated.
func checkOf(c config.Check, byName map[string]config.Check) healthcheck.Check {
	out := healthcheck.Check{
		Name: c.Name, Kind: healthcheck.Kind(c.Type), Port: c.Port, Interval: c.Interval,
		Timeout: c.Timeout, Fall: c.Fall, Rise: c.Rise,
		Method: c.Method, Path: c.Path, Host: c.Host, HTTP2: c.HTTP2,
		Body: c.Expect, Pattern: c.ExpectRegexp, Send: c.Send,
		TLSName: c.TLSName, SkipVerify: c.SkipVerify, CertWarn: c.CertWarn, CertMin: c.CertMin,
		Secure: c.TLS, Service: c.Service, Command: c.Command, TTL: c.TTL,
		Headers: headersOf(c.Headers), Fields: headersOf(c.ExpectHeaders),
		Question: healthcheck.Question{
			Name: c.Query, Type: c.Record, Rcode: c.Rcode, Answers: c.Answer, TCP: c.TCP,
		},
	}
	for _, s := range c.Status {
		out.Status = append(out.Status, healthcheck.StatusRange(s))
	}
	for _, f := range c.JSON {
		out.JSON = append(out.JSON, jsonOf(f))
	}
	for _, name := range c.Of {
		out.Kind, out.Need = healthcheck.Combined, c.Count
		out.Of = append(out.Of, checkOf(byName[name], byName))
	}
	return out
}

func headersOf(list []config.Header) []healthcheck.Header {
	var out []healthcheck.Header
	for _, h := range list {
		out = append(out, healthcheck.Header(h))
	}
	return out
}

func jsonOf(f config.JSONField) healthcheck.JSONField {
	out := healthcheck.JSONField{Path: f.Path, Want: f.Want}
	for _, s := range f.Steps {
		out.Steps = append(out.Steps, healthcheck.JSONStep(s))
	}
	return out
}
