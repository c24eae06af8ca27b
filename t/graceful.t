# 50 graceful restarts under load cost no request. A request on a kept connection that the server closed without a byte
# of response is sent again on a new connection, as HTTP allows; anything else that goes wrong is a failure.
use strict;
use warnings;
use POSIX ();
use Test::More;
use ModSSL::Httpd qw(mpm is_asan is_valgrind);
use ModSSL::Client qw(:all);
use Time::HiRes qw(time sleep);

my $RESTARTS = $ENV{MODSSL_RESTARTS} || (is_asan() || is_valgrind() ? 10 : 50);
# Generations overlap, so there must be room for their processes.
my $size = mpm() eq 'prefork' ? "ServerLimit 64\nMaxRequestWorkers 64\n" : "ServerLimit 32\nMaxRequestWorkers 128\n";
my $h = ModSSL::Httpd->new(config => $size . <<'END');
KeepAliveTimeout 5
MaxKeepAliveRequests 0
ListenBacklog 511
SSLSessionCache shmcb:@root@/run/scache(512000)
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
END
my $page = join '', map { sprintf "%07d\n", $_ } 1 .. 4000;
$h->file('htdocs/page.txt', $page);
$h->start or BAIL_OUT($h->why);
my $port = $h->port;

# One request and its response: 'ok', 'nothing' (closed before the first byte), or what went wrong.
sub fetch {
    my ($s) = @_;
    my $sent = syswrite $s, "GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    return 'nothing' if !$sent;
    my ($text, $end) = ('', time + 30);
    while (time < $end) {
        my $got = sysread $s, $text, 65536, length $text;
        if (!$got) {
            return 'nothing' if $text eq '';
            return 'cut after ' . length($text) . ' bytes';
        }
        my ($head, $body) = split /\r\n\r\n/, $text, 2;
        next if !defined $body || length $body < length $page;
        return "wrong: $head" if $head !~ m{^HTTP/1\.1 200 } || $body ne $page;
        return $head =~ /^Connection: close/mi ? 'ok, last' : 'ok';
    }
    return 'time-out after ' . length($text) . ' bytes';
}

# Runs until the file that stops it appears. Prints the number of requests, retries, and a line for each failure.
sub load {
    my ($keep, $stop) = @_;
    my ($count, $retried, @failed, $s, $fresh) = (0, 0);
    while (!-e $stop && @failed < 20) {
        if (!$s) {
            # a resumed handshake now and then is part of the load
            $s = tls_connect(port => $port, timeout => 30);
            $fresh = 1;
            if (!$s) {
                push @failed, "new connection: $tls_error";
                next;
            }
        }
        my $result = fetch($s);
        if ($result eq 'nothing' && !$fresh) {
            $retried++;
            undef $s;
            next;
        }
        $count++;
        push @failed, "$result on a " . ($fresh ? 'new' : 'kept') . ' connection' if $result !~ /^ok/;
        $fresh = 0;
        undef $s if !$keep || $result ne 'ok';
        sleep 0.002;
    }
    print join("\n", "$count $retried", @failed), "\n";
    return;
}

my $stop = $h->root . '/stop';
my @children;
for my $n (1 .. 8) {
    my $pid = open my $fh, '-|';
    defined $pid or BAIL_OUT("fork: $!");
    if (!$pid) {
        load($n <= 4, $stop);
        close STDOUT;
        POSIX::_exit(0);
    }
    push @children, [$n <= 4 ? 'kept' : 'new', $fh];
}
my $done = 0;
for (1 .. $RESTARTS) {
    $h->graceful or last;
    $done++;
    sleep 0.1;
}
open my $fh, '>', $stop or die;
close $fh;

is($done, $RESTARTS, "$RESTARTS graceful restarts");
my ($total, $retries) = (0, 0);
for my $child (@children) {
    my ($kind, $from) = @$child;
    my ($first, @failed) = split /\n/, do { local $/; <$from> } || '';
    my ($count, $retried) = split ' ', $first || '0 0';
    is("@failed", '', "$kind connections: $count requests, none failed");
    cmp_ok($count, '>', 0, "$kind connections: there was load");
    $total += $count;
    $retries += $retried;
}
note "$total requests, $retries of them sent again after the server had closed a kept connection";
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal|scoreboard is full/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
