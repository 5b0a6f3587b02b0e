package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// A postgres is a PostgreSQL cluster of our own: private, on a socket in a
// temporary folder, gone afterwards.
type postgres struct {
	socket string // folder of the socket
	server *exec.Cmd
	done   chan error
	talk   bytes.Buffer // read only after done
}

// errNoPostgres says what to install.
var errNoPostgres = errors.New("no PostgreSQL server here: apt-get install postgresql")

// settings are those of a machine that was set up for the job: memory and
// write-ahead log as large as they help, and every commit synced, which is also
// PostgreSQL's default.
var settings = []string{
	"fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"listen_addresses=", "max_connections=200", "shared_buffers=512MB", "max_wal_size=4GB", "wal_buffers=16MB",
}

// startPostgres creates and starts a cluster below a folder.
func startPostgres(ctx context.Context, dir string) (_ *postgres, err error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	server, err := postgresProgram("postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	// The path of a socket is at most 107 bytes long, so it does not lie with the data.
	socket, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	p := &postgres{socket: socket, done: make(chan error, 1)}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	attr, err := unprivileged(dir, data, socket)
	if err != nil {
		return nil, err
	}
	make := exec.CommandContext(ctx, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
	make.SysProcAttr, make.Dir = attr, data
	out, err := make.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the user postgres cannot reach %s: give -dir a folder that others may pass through", data)
	}
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	args := []string{"-D", data, "-k", socket}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.server = exec.Command(server, args...)
	p.server.SysProcAttr, p.server.Dir, p.server.Stderr = attr, data, &p.talk
	if err := start(p.server, p.done); err != nil {
		p.server = nil
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return p, p.ready(ctx)
}

// postgresProgram finds a program of the server, which Debian does not put into the path.
func postgresProgram(name string) (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Sort(dirs)
	if len(dirs) > 0 {
		return dirs[len(dirs)-1], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errNoPostgres
	}
	return path, nil
}

// unprivileged gives folders to a user that PostgreSQL is willing to run as: it
// refuses root.
func unprivileged(parent string, folders ...string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	dieWithUs(attr)
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoPostgres, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, f := range folders {
		if err := os.Chown(f, uid, gid); err != nil {
			return nil, err
		}
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chmod(parent, 0o711) // to be passed through, not read
}

// ready waits until the server answers.
func (p *postgres) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for {
		conn, err := pgx.Connect(ctx, p.uri("postgres", ""))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case e := <-p.done:
			p.server = nil
			return fmt.Errorf("PostgreSQL ended: %w\n%s", e, p.talk.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("waiting for PostgreSQL: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *postgres) uri(database, options string) string {
	return fmt.Sprintf("postgresql:///%s?host=%s&user=postgres%s", database, p.socket, options)
}

// stop ends the server and forgets it.
func (p *postgres) stop() error {
	var err error
	if p.server != nil {
		_ = p.server.Process.Signal(syscall.SIGINT) // fast: open connections are cut
		if e := <-p.done; e != nil {
			err = fmt.Errorf("PostgreSQL ended: %w\n%s", e, p.talk.Bytes())
		}
		p.server = nil
	}
	return errors.Join(err, os.RemoveAll(p.socket))
}

// database creates a database and runs a script in it.
func (p *postgres) database(ctx context.Context, name, script string) error {
	for _, step := range []struct{ database, sql string }{{"postgres", "CREATE DATABASE " + name}, {name, script}} {
		conn, err := pgx.Connect(ctx, p.uri(step.database, ""))
		if err != nil {
			return err
		}
		_, err = conn.PgConn().Exec(ctx, step.sql).ReadAll()
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
	}
	return nil
}
