package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// Client speaks to one instance's admin address.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client for host:port.
func NewClient(address string) *Client {
	return &Client{
		base: "http://" + address,
		http: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
			DialContext:       (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			DisableKeepAlives: true, // a client asks once
		}},
	}
}

// Status asks for the status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Explain asks what a client at from gets for name, and why.
func (c *Client) Explain(ctx context.Context, name, from string) (Explanation, error) {
	q := url.Values{"name": {name}, "from": {from}}
	return call[Explanation](ctx, c, http.MethodGet, "/v1/explain?"+q.Encode(), nil)
}

// PutOverride drains or pins a region, service or endpoint, or lets a region
// back.
func (c *Client) PutOverride(ctx context.Context, r OverrideRequest) (regions.Override, error) {
	return call[regions.Override](ctx, c, http.MethodPut, "/v1/overrides", r)
}

// DeleteOverride ends an override before its time, whatever it does.
func (c *Client) DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (regions.Override, error) {
	q := url.Values{"kind": {string(kind)}, "name": {name}}
	return call[regions.Override](ctx, c, http.MethodDelete, "/v1/overrides?"+q.Encode(), nil)
}

// EndOverride does the same, unless it is known to do something else than
// action.
func (c *Client) EndOverride(ctx context.Context, kind regions.OverrideKind, name string, action regions.Action) (regions.Override, error) {
	q := url.Values{"kind": {string(kind)}, "name": {name}, "action": {string(action)}}
	return call[regions.Override](ctx, c, http.MethodDelete, "/v1/overrides?"+q.Encode(), nil)
}

// Apply stores a fleet file for the whole fleet.
func (c *Client) Apply(ctx context.Context, r FleetRequest) (regions.FleetFile, error) {
	return call[regions.FleetFile](ctx, c, http.MethodPost, "/v1/fleet", r)
}

// AcceptCluster tells one instance to believe the store's cluster.
func (c *Client) AcceptCluster(ctx context.Context, id string) error {
	_, err := call[ClusterRequest](ctx, c, http.MethodPost, "/v1/cluster", ClusterRequest{ID: id})
	return err
}

// History lists the applied fleet files, newest first.
func (c *Client) History(ctx context.Context) ([]regions.FleetFile, error) {
	return call[[]regions.FleetFile](ctx, c, http.MethodGet, "/v1/fleet/history", nil)
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	var buf bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&buf).Encode(body); err != nil {
			return out, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, &buf)
	if err != nil {
		return out, fmt.Errorf("%s is not an admin address (give host:port): %w", strings.TrimPrefix(c.base, "http://"), err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return out, unreachable(c.base, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return out, fmt.Errorf("reading the reply of %s: %w", c.base, err)
	}
	if resp.StatusCode != http.StatusOK {
		return out, refused(resp.StatusCode, text)
	}
	return out, json.Unmarshal(text, &out)
}

func unreachable(base string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("no instance answers at %s: %w (is it running? --admin names another address)", strings.TrimPrefix(base, "http://"), err)
}

func refused(code int, text []byte) error {
	var r Refusal
	if json.Unmarshal(text, &r) != nil || r.Message == "" {
		r.Message = fmt.Sprintf("HTTP %d: %s", code, strings.TrimSpace(string(text)))
	}
	r.Status = code
	return &r
}
