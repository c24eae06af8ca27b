# The hooks with OpenSSL's types, by which other modules see each SSL_CTX when it is made, each SSL before its handshake and
# each outgoing connection after its handshake; what they return counts.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::CModule;
use ModSSL::Client qw(:all);

sub vhost {
    my ($port, $name, $cert, $more) = @_;
    return "<VirtualHost 127.0.0.1:\@port:$port\@>\nServerName $name.test\nSSLEngine on\n"
        . "SSLCertificateFile \@pki\@/$cert.crt\nSSLCertificateKeyFile \@pki\@/$cert.key\n$more\n</VirtualHost>\n";
}

sub server {
    my ($name, @config) = @_;
    my $h = ModSSL::Httpd->new(name => "openssl-hooks-$name", modules => [qw(proxy proxy_http http2)], listen => [qw(https back)],
        config => join '', "LoadModule tls_probe_module \@root\@/mod_tls_probe.so\nProbeLog on\n", @config);
    ModSSL::CModule::build('mod_tls_probe', $h->root);
    return $h;
}

my $proxy = "SSLProxyEngine on\nSSLProxyCACertificateFile \@pki\@/ca.crt\nSSLProxyCheckPeerName off\n"
    . "ProxyPass /back/ https://127.0.0.1:\@port:back\@/";

my $h = server('count', vhost('https', 'a', 'a', ''), vhost('https', 'b', 'a', 'Protocols h2 http/1.1'),
               vhost('https', 'p', 'b', $proxy), vhost('back', 'back', 'rsa', ''));
$h->start or die $h->why;

sub calls {
    my ($text, $hook) = @_;
    return [ sort $text =~ /probe: $hook (.*)$/mg ];
}

# httpd reads its configuration twice: only what came for the running one is of interest.
sub of_this_start {
    my ($log) = @_;
    my %seen;
    return [ grep { !$seen{$_}++ } @{ calls($log, 'init_server') } ];
}

my $start = $h->errorlog;
is_deeply(of_this_start($start),
          [ (map { "$_.test proxy=0 ctx=1 certificate=1" } qw(a b back p)), 'p.test proxy=1 ctx=1 certificate=0' ],
          'init_server: each virtual host of its own, proxies too');

my $local;    # the client's port of the last request, by which the log knows it
sub get {
    my ($host, $path) = @_;
    my $s = tls_connect(port => $h->port, sni => "$host.test") or return 'refused';
    $local = $s->sockport;
    my $r = http_get($s, $path, "$host.test", close => 1) or return 'closed';
    return $r->{status};
}

# Calls of pre_handshake for connections that match
sub handshakes {
    my ($pattern) = @_;
    $h->errorlog_like(qr/probe: pre_handshake .*$pattern/);
    return [ map { s/ of .*//r } grep { /$pattern/ } @{ calls($h->errorlog, 'pre_handshake') } ];
}

$h->log_mark;
is(get('a', '/'), 200, 'a request');
is_deeply(handshakes(qr/:$local$/m), [ 'proxy=0 begun=0' ], 'pre_handshake: once, before the handshake');
is_deeply(calls($h->errorlog, 'proxy_post_handshake'), [], 'nothing outgoing yet');

my $s = tls_connect(port => $h->port, sni => 'a.test') or die $tls_error;
$local = $s->sockport;
http_get($s, '/', 'a.test') for 1 .. 3;
is_deeply(handshakes(qr/:$local$/m), [ 'proxy=0 begun=0' ], 'three requests on a connection: once');

$h->log_mark;
is(get('p', '/back/'), 200, 'a request to a proxy');
my $back = $h->port('back');
is_deeply(handshakes(qr/:$local$/m), [ 'proxy=0 begun=0' ], 'pre_handshake: the connection to the proxy');
is_deeply(handshakes(qr/:$back$/m), [ 'proxy=1 begun=0' ], 'pre_handshake: the connection of the proxy to its backend');
is_deeply(calls($h->errorlog, 'proxy_post_handshake'), [ 'finished=1' ], 'proxy_post_handshake: after it');

$h->log_mark;
SKIP: {
    skip 'mod_http2 offers nothing under prefork', 2 if ModSSL::Httpd::mpm() eq 'prefork';
    my ($status) = curl('-k', '--http2', resolve('b.test', $h->port), 'https://b.test:' . $h->port . '/');
    is("$status $curl_info{http_version}", '200 2', 'h2');
    is_deeply(handshakes(qr/:$curl_info{local_port}$/m), [ 'proxy=0 begun=0' ], 'h2: once a connection, not for each stream');
}

$h->stop;
subtest 'init_server fails' => sub {
    my $bad = server('init', vhost('https', 'a', 'a', 'ProbeRefuse init_server'), vhost('back', 'back', 'rsa', ''));
    like($bad->start_fails // 'started', qr/Configuration Failed.*exit status 1/s, 'the server does not start');
};
subtest 'pre_handshake fails' => sub {
    $h = server('pre', vhost('https', 'a', 'a', 'ProbeRefuse pre_handshake'), vhost('back', 'back', 'rsa', ''));
    $h->start or return fail($h->why);
    is(get('a', '/'), 'refused', 'no connection');
    ok(tls_connect(port => $h->port('back')), 'others are served');
};
subtest 'proxy_post_handshake fails' => sub {
    $h = server('post', vhost('https', 'a', 'a', "ProbeRefuse proxy_post_handshake\n$proxy"), vhost('back', 'back', 'rsa', ''));
    $h->start or return fail($h->why);
    is(get('a', '/back/'), 500, 'the outgoing connection is given up');
    is(get('a', '/'), 200, 'others are served');
};

done_testing;
