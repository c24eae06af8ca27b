# How the server takes leave: close_notify by default, none with ssl-unclean-shutdown, an exchange of close_notify with
# ssl-accurate-shutdown; and what BrowserMatch asks for old clients (nokeepalive, downgrade-1.0, force-response-1.0).
use strict;
use warnings;
use IO::Select;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(config => <<'END');
KeepAliveTimeout 1
Timeout 3
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
BrowserMatch Unclean  ssl-unclean-shutdown
BrowserMatch Accurate ssl-accurate-shutdown
BrowserMatch Nokeep   nokeepalive
BrowserMatch Down     downgrade-1.0
BrowserMatch Force    downgrade-1.0 force-response-1.0
BrowserMatch "MSIE [2-5]" nokeepalive ssl-unclean-shutdown downgrade-1.0 force-response-1.0
END
my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 25_000;
$h->file('htdocs/big.txt', $big);
$h->start or BAIL_OUT($h->why);

sub asked {
    my ($version, $agent, $close, $path) = @_;
    my $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT($w->error);
    $w->put("GET $path HTTP/1.1\r\nHost: localhost\r\nUser-Agent: $agent\r\n" . ($close ? "Connection: close\r\n" : '') . "\r\n");
    return $w;
}

# [User-Agent, HTTP version of the response, keep-alive, close_notify]
my @CASES = (
    ['Mozilla',               '1.1', 1, 1],
    ['Unclean',               '1.1', 1, 0],
    ['Accurate',              '1.1', 1, 1],
    ['Nokeep',                '1.1', 0, 1],
    ['Down',                  '1.1', 0, 1],
    ['Force',                 '1.0', 0, 1],
    ['Mozilla/4 (MSIE 5)',    '1.0', 0, 0],
);
for my $version ('1.2', '1.3') {
    # all are asked first, so that they wait for the end of keep-alive together
    my @asked;
    for my $close (0, 1) {
        for my $path ('/', '/big.txt') {
            push @asked, map { [$_, $close, $path, asked($version, $_->[0], $close, $path)] } @CASES;
        }
    }
    for my $asked (@asked) {
        my ($case, $close, $path, $w) = @$asked;
        my ($agent, $http, $keep, $notify) = @$case;
        my $name = "TLS $version, $agent, $path" . ($close ? ', Connection: close' : '');
        my $got = $w->get_all(50);
        my ($head, $body) = split /\r\n\r\n/, $got, 2;
        like($head, qr{^HTTP/\Q$http\E 200 }, "$name: HTTP/$http");
        ok(($body || '') eq ($path eq '/' ? "It works\n" : $big), "$name: body");
        if (!$close) {
            my ($field) = $head =~ /^Connection: (\w+)/m;
            is($field || 'none', $keep ? 'none' : 'close', "$name: keep-alive");
        }
        ok($w->eof && !$w->reset, "$name: the server ends the connection, without a reset");
        is($w->close_notify, $notify, "$name: close_notify");
    }

    # The end of a keep-alive connection that the client announces is answered in kind.
    my $w = asked($version, 'Mozilla', 0, '/');
    $w->get_until(qr/It works\n/);
    $w->goodbye;
    $w->get_all(50);
    ok($w->eof && $w->close_notify, "TLS $version: the client's close_notify is answered");

    # Waiting in vain for the rest of a second request costs neither the first one's answer nor the close_notify.
    $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT($w->error);
    $w->put("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /");
    like($w->get_all(50), qr/It works\n/, "TLS $version: half a second request: the first one is answered");
    ok($w->eof && $w->close_notify, "TLS $version: half a second request: close_notify");

    # Its connection stays open until the client's close_notify has come, for as long as lingering lasts.
    $w = asked($version, 'Accurate', 1, '/');
    $w->get_until(qr/It works\n/);
    for (1 .. 100) {
        last if $w->close_notify || $w->eof;
        $w->get_all(0.3);
    }
    ok($w->close_notify && !$w->eof, "TLS $version: ssl-accurate-shutdown waits for the client");
    $w->goodbye;
    ok($w->wait_eof(15) && !$w->reset, "TLS $version: and ends once the client has answered");
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG/i, 'error log');
done_testing;
