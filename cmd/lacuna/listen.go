package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"
)

// listenFlags are what every command takes that others connect to.
func listenFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen", Usage: "address to listen on; port 0 takes a free one", Value: "127.0.0.1:0"},
		&cli.StringFlag{Name: "tls-cert", Usage: "file with the certificate, and those that lead to a root, as PEM; without it only this machine can connect"},
		&cli.StringFlag{Name: "tls-key", Usage: "file with the key of the certificate, as PEM"},
	}
}

// listen opens what --listen names, and returns the URL under which it is reached.
func listen(c *cli.Context) (net.Listener, string, error) {
	addr, cert, key := c.String("listen"), c.String("tls-cert"), c.String("tls-key")
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", &usageError{err: fmt.Errorf("--listen: %w", err), hint: "--listen 127.0.0.1:8080"}
	}
	if (cert == "") != (key == "") {
		return nil, "", usage(errors.New("--tls-cert and --tls-key belong together"))
	}
	ip := net.ParseIP(host)
	if cert == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, "", &usageError{err: fmt.Errorf("--listen %s: without TLS only this machine may connect", addr), hint: "--tls-cert FILE --tls-key FILE, or --listen 127.0.0.1:PORT behind a proxy"}
	}
	var config *tls.Config
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, "", usage(fmt.Errorf("--tls-cert: %w", err))
		}
		config = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, "", err
	}
	if config == nil {
		return l, "http://" + l.Addr().String(), nil
	}
	// The name in the certificate is the one that others connect to.
	name := l.Addr().String()
	if leaf := config.Certificates[0].Leaf; len(leaf.DNSNames) > 0 {
		name = net.JoinHostPort(leaf.DNSNames[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	}
	return tls.NewListener(l, config), "https://" + name, nil
}

// serveUntil answers requests until the program is told to stop, and then
// finishes those that are under way. To be stopped is no error.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler, logger *slog.Logger) error {
	srv := &http.Server{
		Handler: h,
		// Whoever sends slowly holds a place that others need.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	// Without TLS too: who fetches many tiles asks for them over one connection.
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		err = errors.Join(err, srv.Close())
	}
	<-failed
	return err
}
