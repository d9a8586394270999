package main

import (
	"log/slog"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver"
)

func rrlOptions(c *config.RateLimit) dnsserver.RRLOptions {
	if c == nil {
		return dnsserver.RRLOptions{}
	}
	return dnsserver.RRLOptions{
		Answers: c.Rate, Referrals: c.Referrals, NoData: c.NoData, NXDomain: c.NXDomain, Errors: c.Errors, All: c.All,
		Window: c.Window, Slip: c.Slip, IPv4Prefix: c.IPv4Prefix, IPv6Prefix: c.IPv6Prefix, TableSize: c.TableSize,
		Exempt: c.Exempt, LogOnly: c.LogOnly,
	}
}

func accessOptions(c config.Access) dnsserver.AccessOptions {
	return dnsserver.AccessOptions{Allow: c.Allow, Deny: c.Deny, Silent: c.Drop, MaxRate: c.MaxRate}
}

func dnstapOptions(c config.DNS, log *slog.Logger) dnsserver.DnstapOptions {
	if c.Dnstap == nil {
		return dnsserver.DnstapOptions{}
	}
	return dnsserver.DnstapOptions{
		Socket: c.Dnstap.Socket, File: c.Dnstap.File, Share: c.Dnstap.Sample, Identity: c.Identity, Version: versionString(), Log: log,
	}
}
