# Plain FastCGI, SCGI and uwsgi backends behind a TLS front side are given the SSL_ variables that +StdEnvVars makes, and only then.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend;
use ModSSL::Client qw(:all);
use ModSSL::Httpd;

sub bytes {
    my ($sock, $count) = @_;
    my $text = '';
    while (length $text < $count) {
        sysread $sock, $text, $count - length $text, length $text or return undef;
    }
    return $text;
}

sub put {
    my ($sock, $text) = @_;
    while (length $text) {
        my $sent = syswrite $sock, $text or return;
        substr $text, 0, $sent, '';
    }
    return 1;
}

# What a responder answers: the environment, line by line, and the body's length.
sub page {
    my ($env, $body) = @_;
    return join('', map { "$_=$env->{$_}\n" } sort keys %$env) . 'body=' . length($body) . "\n";
}

# FastCGI: records of version, type, request, length, padding; names and values with lengths of 1 or 4 bytes.
sub fcgi_pairs {
    my ($text) = @_;
    my %env;
    while (length $text) {
        my @length = map {
            my $byte = unpack 'C', $text;
            $byte < 128 ? do { substr $text, 0, 1, ''; $byte } : unpack('N', substr $text, 0, 4, '') & 0x7fffffff
        } 1, 2;
        my $name = substr $text, 0, $length[0], '';
        $env{$name} = substr $text, 0, $length[1], '';
    }
    return \%env;
}

sub fcgi {
    my ($sock) = @_;
    my %stream = (4 => '', 5 => '');
    while (1) {
        my $head = bytes($sock, 8);
        return if !defined $head;
        my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $head;
        my $content = $length ? bytes($sock, $length) : '';
        bytes($sock, $padding) if $padding;
        $stream{$type} .= $content if exists $stream{$type};
        next if $type != 5 || $length;
        my $out = "Status: 200\r\nContent-Type: text/plain\r\n\r\n" . page(fcgi_pairs($stream{4}), $stream{5});
        put($sock, pack('CCnnCC', 1, 6, $id, length $_, 0, 0) . $_) for unpack('(a30000)*', $out), '';
        put($sock, pack('CCnnCCNCx3', 1, 3, $id, 8, 0, 0, 0, 0));
        return;
    }
}

# SCGI: a netstring of names and values that end in NUL, then the body.
sub scgi {
    my ($sock) = @_;
    my $length = '';
    $length .= bytes($sock, 1) until $length =~ /:/;
    chop $length;
    my $block = bytes($sock, $length);
    chop $block;
    my %env = split /\0/, $block, -1;
    bytes($sock, 1);    # the comma
    my $body = $env{CONTENT_LENGTH} ? bytes($sock, $env{CONTENT_LENGTH}) : '';
    put($sock, "Status: 200\r\nContent-Type: text/plain\r\n\r\n" . page(\%env, $body));
    return;
}

# uwsgi: modifier, size of the block, modifier; names and values each after a length of two bytes (little end first).
sub uwsgi {
    my ($sock) = @_;
    my (undef, $size) = unpack 'Cv', bytes($sock, 4);
    my %env = unpack '(v/a)*', bytes($sock, $size);
    my $body = $env{CONTENT_LENGTH} ? bytes($sock, $env{CONTENT_LENGTH}) : '';
    put($sock, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" . page(\%env, $body));
    return;
}

my %code = (fcgi => \&fcgi, scgi => \&scgi, uwsgi => \&uwsgi);
my %backend = map { my $code = $code{$_}; $_ => ModSSL::Backend->perl(sub { $code->($_[0]) }) } keys %code;
my $passes = join '', map { my $p = $backend{$_}->port; "ProxyPass /$_/ $_://127.0.0.1:$p/ retry=0\nProxyPass /std-$_/ $_://127.0.0.1:$p/ retry=0\n" } sort keys %code;
my $h = ModSSL::Httpd->new(modules => ['proxy', map { "proxy_$_" } keys %code], listen => ['https', 'plain'], config => <<"CONF");
$passes
<LocationMatch ^/std->
    SSLOptions +StdEnvVars +ExportCertData
</LocationMatch>
<VirtualHost 127.0.0.1:\@port:https\@>
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLCACertificateFile  \@pki\@/ca.crt
    SSLVerifyClient optional
$passes
</VirtualHost>
CONF
$h->start or die $h->why;
for my $kind (sort keys %code) {
    my $s = tls_connect(port => $h->port('https'), sni => 'rsa.test', client => 'client', version => '1.3') or BAIL_OUT($tls_error);
    my $r = http_request($s, path => "/std-$kind/x", host => 'rsa.test', body => 'y' x 1000);
    is($r->{status}, 200, "$kind, StdEnvVars");
    my %env = $r->{body} =~ /^(\w+)=(.*)$/mg;
    my %want = (HTTPS => 'on', SSL_PROTOCOL => 'TLSv1.3', SSL_CIPHER => 'TLS_AES_256_GCM_SHA384', SSL_TLS_SNI => 'rsa.test',
        SSL_CLIENT_VERIFY => 'SUCCESS', SSL_CLIENT_S_DN_CN => 'Test Client', SSL_SERVER_S_DN_CN => 'rsa.test', REQUEST_SCHEME => 'https',
        body => 1000, REQUEST_METHOD => 'POST', SERVER_PORT => $h->port('https'));
    is($env{$_}, $want{$_}, "... $_") for sort keys %want;
    like($env{SSL_CLIENT_CERT} || '', qr/^-----BEGIN CERTIFICATE-----/, '... SSL_CLIENT_CERT');

    $r = http_get($s, "/$kind/x", 'rsa.test', close => 1);
    is($r->{status}, 200, "$kind, without");
    like($r->{body}, qr/^HTTPS=on$/m, '... HTTPS');
    unlike($r->{body}, qr/^SSL_(?!TLS_SNI)/m, '... no variables');

    $r = http_get(raw_connect($h->port('plain')), "/std-$kind/x", 'rsa.test', close => 1);
    is($r->{status}, 200, "$kind, plain HTTP");
    unlike($r->{body}, qr/^(?:SSL_|HTTPS=)/m, '... nothing of TLS');
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
