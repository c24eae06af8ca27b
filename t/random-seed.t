# SSLRandomSeed: every kind of source is asked when and as it should be, none can hold up a start for long or a connection at
# all, and a start without any randomness fails.
use strict;
use warnings;
use lib 't/lib';
use IO::Select;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp);
use Time::HiRes qw(sleep);

my $head = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
my $h = ModSSL::Httpd->new(loglevel => 'info ssl:trace2');
chmod 0777, $h->root . '/logs';

# A program that notes how it was called; then SCRIPT runs.
my $calls = $h->root . '/logs/calls';
sub program { my ($script) = @_; return $h->cgi('seed', "#!/bin/sh\necho \"called: \$*\" >>$calls\nchmod 666 $calls 2>/dev/null\n$script\n") }
sub calls { return -e $calls ? slurp($calls) : '' }

sub start {
    my ($lines) = @_;
    unlink $calls, $h->root . '/logs/error_log';
    $h->log_mark;
    $h->config("$lines\n$head");
    return $h->start || fail("starts with: $lines") && diag $h->why && 0;
}

sub served {
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $h->port, version => $version) or return "TLS $version: $tls_error";
        my $r = http_get($s, '/', 'localhost', close => 1);
        return "TLS $version: no answer" if !$r || $r->{status} != 200;
    }
    return 'served';
}

$h->file('conf/seed.bin', 'x' x 1000);
$h->file('conf/empty', '');
my $fifo = $h->root . '/run/fifo';
mkfifo($fifo, 0666) or BAIL_OUT("mkfifo: $!");
symlink '/dev/urandom', $h->root . '/conf/other-name';
program('echo 0123456789');

# --- what starts and serves, in both modules -----------------------------------------------------------
for my $lines (
    "SSLRandomSeed startup builtin\nSSLRandomSeed startup file:/dev/urandom 512\nSSLRandomSeed connect builtin\nSSLRandomSeed connect file:/dev/urandom 512",
    'SSLRandomSeed startup file:/dev/random 16',
    'SSLRandomSeed connect file:conf/seed.bin',
    'SSLRandomSeed connect file:conf/seed.bin 100000',
    "SSLRandomSeed startup file:conf/empty\nSSLRandomSeed connect file:conf/empty 5",
    'SSLRandomSeed startup exec:cgi/seed 5',
    'SSLRandomSeed startup exec:/bin/false',
    'SSLRandomSeed startup exec:conf/seed.bin',    # no program
    'SSLRandomSeed startup file:conf',             # a directory
) {
    subtest $lines => sub {
        start($lines) or return;
        is(served(), 'served', 'and serves');
        ok($h->graceful, 'restarts');
        is(served(), 'served', 'and serves');
        ok($h->stop, 'stops');
    };
}

# --- programs --------------------------------------------------------------------------------------------
subtest 'a program is told how many bytes are wanted' => sub {
    for my $case (['startup exec:cgi/seed 16', 'called: 16'], ['startup exec:cgi/seed', 'called: 0']) {
        my ($line, $want) = @$case;
        start("SSLRandomSeed $line") or next;
        like(calls(), qr/\A(?:$want\n){1,2}\z/, $line);
        $h->stop;
    }
};

SKIP: {
    skip 'the stock module waits for its sources, says nothing about them, and has no EGD', 8 if is_stock();

    subtest 'what is said about sources that give nothing' => sub {
        for my $case (
            ['startup exec:/bin/false', 'the program failed, exit status 1'],
            ['startup exec:conf/seed.bin', 'the program cannot be started'],
            ['startup exec:cgi/seed 100', 'it gave 11 bytes of 100'],
            ['startup file:conf/empty', 'it gave 0 bytes'],
            ['startup file:conf/seed.bin 2000', 'it gave 1000 bytes of 2000'],
        ) {
            my ($line, $want) = @$case;
            start("SSLRandomSeed $line") or next;
            my ($what) = $line =~ /(\w+:\S+)/;
            $what =~ s/:(?=\w)/':' . $h->root . '\/'/e;
            like($h->errorlog, qr/:warn\].*SSLRandomSeed \Q$what\E \(\S+httpd\.conf:\d+\): \Q$want\E/, $line);
            $h->stop;
        }
    };

    subtest 'programs and pipes that never end' => sub {
        program('exec sleep 300');
        start("SSLRandomSeed startup exec:cgi/seed 16\nSSLRandomSeed startup file:$fifo 16") or return;
        is(served(), 'served', 'hold nothing up for long');
        like($h->errorlog, qr/the program did not end in time and was killed/, 'the program is ended');
        like($h->errorlog, qr/file:\S+fifo.*it gave 0 bytes of 16/, 'the pipe is left');
        $h->stop;
        program('while echo yyyyyyy; do :; done');
        start('SSLRandomSeed startup exec:cgi/seed 100') or return;
        unlike($h->errorlog, qr/SSLRandomSeed exec.*(?:fail|kill|gave)/, 'a program that could say more than is wanted is no matter');
        $h->stop;
    };

    subtest 'connections wait for nothing' => sub {
        program('exec sleep 300');
        start("SSLRandomSeed connect exec:cgi/seed 16\nSSLRandomSeed connect file:$fifo 16") or return;
        is(served(), 'served', 'neither for a program nor for a pipe');
        like($h->errorlog, qr/SSLRandomSeed connect exec:.*asked once by each child/, 'and the log says so');
        is(calls(), "called: 16\n" x scalar(() = calls() =~ /\n/g), 'the program got its argument');
        my $before = calls();
        served() for 1 .. 3;
        is(calls(), $before, 'and is not called again');
        $h->stop;
    };

    subtest 'the generator of the kernel is not read for each connection' => sub {
        for my $name ('/dev/urandom', '/dev/random', $h->root . '/conf/other-name') {
            start("SSLRandomSeed connect file:$name 512") or next;
            ok($h->errorlog_like(qr/:info\].*SSLRandomSeed connect file:\Q$name\E \(.*it is not read again/), $name);
            is(served(), 'served', 'and serves');
            $h->stop;
        }
    };

    subtest 'EGD' => sub {
        my $path = $h->root . '/run/egd';
        my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 5) or return fail("socket: $!");
        chmod 0777, $path;
        my $pid = fork;
        defined $pid or return fail("fork: $!");
        if (!$pid) {
            $SIG{ALRM} = 'DEFAULT';
            alarm 60;
            egd($listen, $h->root . '/run/egd.log');
        }
        close $listen;
        start("SSLRandomSeed startup egd:$path 300") or return;
        is(served(), 'served', 'serves');
        $h->stop;
        kill 'KILL', $pid;
        waitpid $pid, 0;
        is(slurp($h->root . '/run/egd.log'), "1 255\n1 45\n", 'is asked for what it can give at once, until there is enough');
        start("SSLRandomSeed startup egd:$path") or return;
        like($h->errorlog, qr/Connection refused.*SSLRandomSeed egd:\S+ \(.*nobody answers at this socket/, 'nobody there: the log says so');
        $h->stop;
    };

    subtest 'children differ' => sub {
        start("SSLRandomSeed startup file:conf/seed.bin") or return;
        my %pids;
        wait_for(10, sub { %pids = map { $_ => 1 } $h->errorlog =~ /pid (\d+):.*SSLRandomSeed file:\S+: 1000 bytes/g; keys %pids >= 2 });
        cmp_ok(scalar keys %pids, '>=', 2, 'the file is read by the parent and by each child');
        $h->stop;
    };

    subtest 'a file that only the parent may read' => sub {
        plan skip_all => 'not root' if $> != 0;
        chmod 0600, $h->file('conf/secret.bin', 'y' x 100);
        start("SSLRandomSeed startup file:conf/secret.bin\nSSLRandomSeed connect file:conf/secret.bin") or return;
        is(served(), 'served', 'serves');
        my @warnings = $h->errorlog =~ /Permission denied: .*SSLRandomSeed file:\S+secret\.bin \(\S+\): (.*)/g;
        is($warnings[0], 'this child process cannot read it', 'a warning says so');
        $h->stop;
    };

    subtest 'no generator at all' => sub {
        my $n = ModSSL::Httpd->new(config => $head, env => { OPENSSL_CONF => $h->file('conf/openssl.cnf',
            "openssl_conf = init\n[init]\nrandom = rnd\n[rnd]\nrandom = NO-SUCH-GENERATOR\n") });
        my $why = $n->start_fails;
        like($why, qr/:emerg\].*AH01990: .*PRNG/, 'the start fails and says why');
        like($why, qr/AH02312/, 'in the usual way');
    };
}

# Answers EGD's two questions: 01 N (what there is), and notes them.
sub egd {
    my ($listen, $log) = @_;
    while (my $c = $listen->accept) {
        while (sysread $c, my $question, 2) {
            my ($command, $n) = unpack 'CC', $question;
            open my $fh, '>>', $log;
            print $fh "$command $n\n";
            close $fh;
            syswrite $c, pack('C', $n) . ('r' x $n);
        }
    }
    POSIX::_exit(0);
}

done_testing;
