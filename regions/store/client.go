package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// callTimeout bounds every single request; an operator's own deadline may be
// shorter.
const callTimeout = 5 * time.Second

// deadPeer is how long what was sent may stay unacknowledged before the
// connection counts as dead (TCP_USER_TIMEOUT, where the system has it).
const deadPeer = 2 * time.Second

// diagnoseTimeout bounds the look at why nobody answers.
const diagnoseTimeout = 500 * time.Millisecond

// dial makes a client for these endpoints. With a password it waits for the
// token, otherwise it does not wait for the connection.
func (s *Store) dial(ctx context.Context, endpoints []string) (*clientv3.Client, error) {
	conf, err := s.opt.Remote.tlsConfig()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Context:              ctx,
		Endpoints:            endpoints,
		DialTimeout:          callTimeout,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: deadPeer,
		TLS:                  conf,
		Username:             s.opt.Remote.Username,
		Password:             s.opt.Remote.Password,
		Logger:               zap.NewNop(),
	})
}

// connect makes a connection to one of these endpoints.
func (s *Store) connect(ctx context.Context, endpoints []string) (peer, error) {
	if s.opt.connect != nil {
		return s.opt.connect(ctx, endpoints)
	}
	client, err := s.dial(ctx, endpoints)
	return etcd{client}, err
}

// errConnection ends a session whose connection has broken.
var errConnection = errors.New("the connection broke")

// guard returns when the client's connection fails or, once made, is lost. A
// client left alone would hide that and retry for ever.
func guard(ctx context.Context, client *clientv3.Client) error {
	conn, ready := client.ActiveConnection(), false
	conn.Connect()
	for {
		state := conn.GetState()
		switch {
		case state == connectivity.Ready:
			ready = true
		case ready, state == connectivity.TransientFailure:
			return errConnection
		}
		if !conn.WaitForStateChange(ctx, state) {
			return ctx.Err()
		}
	}
}

// explain turns the error of a request into one that a person can act on.
func (s *Store) explain(err error, endpoints []string, tried time.Duration) error {
	at := "etcd at " + strings.Join(endpoints, ", ")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%s: %w: compact and defragment it, then disarm the alarm; until then writes fail, answers do not", at, err)
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%s: %w: raise its --max-request-bytes or store less", at, err)
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("%s: user %q: %w", at, s.opt.Remote.Username, err)
	case unreachable(err):
		return fmt.Errorf("%s: not reachable%s: %s", at, span(tried), s.diagnose(endpoints, err))
	}
	return fmt.Errorf("%s: %w", at, err)
}

// span is " for 5s"; what was over at once has none.
func span(d time.Duration) string {
	if d = d.Round(100 * time.Millisecond); d <= 0 {
		return ""
	}
	return " for " + d.String()
}

// unreachable says whether the error only means that nobody answered.
func unreachable(err error) bool {
	code := status.Code(err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errConnection) ||
		code == codes.Unavailable || code == codes.DeadlineExceeded
}

// diagnose looks for the reason why the endpoints do not answer.
func (s *Store) diagnose(endpoints []string, err error) string {
	ctx, cancel := context.WithTimeout(context.Background(), diagnoseTimeout)
	defer cancel()
	for _, e := range endpoints {
		if failure := s.knock(ctx, e); failure != nil {
			return innermost(failure)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it accepts connections but does not answer (has it a leader?)"
	}
	return innermost(err)
}

// knock opens a connection as a client would, and closes it.
func (s *Store) knock(ctx context.Context, endpoint string) error {
	network, address := dialAddress(endpoint)
	conf, err := s.opt.Remote.tlsConfig()
	if err != nil {
		return err
	}
	var conn net.Conn
	if strings.HasPrefix(endpoint, "https://") {
		conn, err = (&tls.Dialer{Config: conf}).DialContext(ctx, network, address)
		if errors.Is(err, io.EOF) {
			err = errors.New("it hangs up during the TLS handshake (does it speak TLS?)")
		}
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return err
	}
	return errors.Join(verdictOn(conn), conn.Close())
}

// verdictTimeout is how long a server is given to refuse a certificate.
const verdictTimeout = 200 * time.Millisecond

// verdictOn waits for what a server says of our certificate: in TLS 1.3 that
// comes after the handshake (RFC 8446 section 4.4.2.4), instead of data.
func verdictOn(conn net.Conn) error {
	if _, secure := conn.(*tls.Conn); !secure {
		return nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(verdictTimeout)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if alert, refused := errors.AsType[*net.OpError](err); refused && alert.Op == "remote error" {
		return err
	}
	return nil // silence or data: it is content
}

func dialAddress(endpoint string) (network, address string) {
	if !strings.Contains(endpoint, "://") {
		return "tcp", endpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "tcp", endpoint
	case u.Scheme == "unix":
		return "unix", u.Path
	}
	return "tcp", u.Host
}

// innermost is the innermost reason, without the addresses that are said already.
func innermost(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	}
	return protocol.Words(err.Error())
}
