//go:build e2e

package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// tokenLife is how long etcd honours a token in these tests: whatever runs for
// longer has had to log in again.
const tokenLife = 3 * time.Second

// TestMutualTLSAndPasswords runs instances on an etcd that asks for a client
// certificate and a password, for longer than its tokens live.
func TestMutualTLSAndPasswords(t *testing.T) {
	t.Parallel()
	e := newSecured(t)
	a, b := start(t, e.options("a")), start(t, e.options("b"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	first := b.picture("a's ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 }).Ballots[0]
	began := time.Now()
	b.picture("beats beyond three tokens' lives", func(p *regions.Picture) bool {
		return time.Since(began) > 3*tokenLife && len(p.Ballots) == 1 && p.Ballots[0].Seq > first.Seq+5
	})
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "eu-west", "ann"), -1, false); err != nil {
		t.Errorf("an operator's write after the token's life: %v", err)
	}
	b.picture("the drain", func(p *regions.Picture) bool { return len(p.Overrides) == 1 })
}

func TestStrangersAreTold(t *testing.T) {
	t.Parallel()
	e := newSecured(t)
	nobody := e.options("a")
	nobody.Remote.CertFile, nobody.Remote.KeyFile = "", ""
	wrong := e.options("b")
	wrong.Remote.Password = "wrong"
	foreign := e.options("c")
	foreign.Prefix = "/foreign/"
	for want, opt := range map[string]Options{"certificate": nobody, `user "steerdns"`: wrong, "permission denied": foreign} {
		start(t, opt).status("why it may not: "+want, func(s Status) bool { return !s.Connected && strings.Contains(s.Reason, want) })
	}
}

// secured is an etcd with TLS on both sides, users, and short-lived tokens.
type secured struct {
	t      *testing.T
	dir    string
	at     string
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	serial int64
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{t: t, dir: t.TempDir()}
	s.certify("ca", nil)
	s.certify("server", net.IPv4(127, 0, 0, 1))
	s.certify("client", nil)
	s.tokenKeys()
	conf := embed.NewConfig()
	conf.Dir, conf.Logger, conf.LogLevel = filepath.Join(s.dir, "data"), "zap", "panic"
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	conf.ListenPeerUrls, conf.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	conf.InitialCluster = conf.Name + "=" + peer.String()
	client := url.URL{Scheme: "https", Host: "127.0.0.1:0"}
	conf.ListenClientUrls, conf.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	conf.ClientTLSInfo = transport.TLSInfo{
		CertFile: s.path("server.pem"), KeyFile: s.path("server.key"), TrustedCAFile: s.path("ca.pem"), ClientCertAuth: true,
	}
	conf.AuthToken = "jwt,pub-key=" + s.path("token.pub") + ",priv-key=" + s.path("token.key") + ",sign-method=RS256,ttl=" + tokenLife.String()
	conf.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Server.Stop(); server.Close() })
	<-server.Server.ReadyNotify()
	s.at = "https://" + server.Clients[0].Addr().String()
	s.users()
	return s
}

func (s *secured) path(name string) string { return filepath.Join(s.dir, name) }

func (s *secured) options(instance string) Options {
	opt := quick(s.t, instance, s.at)
	opt.Prefix = "/fleet/"
	opt.VoteBeat, opt.LeaseTTL, opt.Silence = time.Second, 10*time.Second, 10*time.Second
	opt.Remote.CAFile, opt.Remote.CertFile, opt.Remote.KeyFile = s.path("ca.pem"), s.path("client.pem"), s.path("client.key")
	opt.Remote.Username, opt.Remote.Password = "steerdns", "secret"
	return opt
}

// users lets one user have one prefix, and nobody anything else.
func (s *secured) users() {
	conf, err := s.options("").Remote.tlsConfig()
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.at}, TLS: conf, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	ctx := s.t.Context()
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.UserAdd(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := c.RoleAdd(ctx, "fleet"); return err },
		func(ctx context.Context) error {
			_, err := c.RoleGrantPermission(ctx, "fleet", "/fleet/", clientv3.GetPrefixRangeEnd("/fleet/"), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func(ctx context.Context) error { _, err := c.UserAdd(ctx, "steerdns", "secret"); return err },
		func(ctx context.Context) error { _, err := c.UserGrantRole(ctx, "steerdns", "fleet"); return err },
		func(ctx context.Context) error { _, err := c.AuthEnable(ctx); return err },
	} {
		if err := step(ctx); err != nil && !strings.Contains(err.Error(), "role name already exists") {
			s.t.Fatal(err)
		}
	}
}

// certify makes a certificate, the first one its own authority.
func (s *secured) certify(name string, ip net.IP) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.serial++
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(s.serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, Subject: pkix.Name{Organization: []string{name}},
	}
	if ip != nil {
		cert.IPAddresses = []net.IP{ip}
	}
	if s.ca == nil {
		cert.IsCA, cert.KeyUsage = true, x509.KeyUsageCertSign
		s.ca, s.caKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, s.ca, &key.PublicKey, s.caKey)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name+".pem", "CERTIFICATE", der)
	s.write(name+".key", "EC PRIVATE KEY", private)
}

func (s *secured) tokenKeys() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("token.key", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	s.write("token.pub", "PUBLIC KEY", public)
}

func (s *secured) write(name, kind string, data []byte) {
	if err := os.WriteFile(s.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
