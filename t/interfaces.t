# What other modules get from mod_ssl: the optional functions of mod_ssl.h and the functions of http_ssl.h, over TLS, plain
# http and HTTP/2, asked by a module that is built against the installed headers (t/c-modules/mod_tls_probe.c).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::CModule;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert);

my $h = ModSSL::Httpd->new(modules => ['http2'], listen => [qw(https plain)], config => <<'CONF');
LoadModule tls_probe_module @root@/mod_tls_probe.so
<Location /probe>
    SetHandler ssl-probe
</Location>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName rsa.test
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile    @root@/conf/ext.crt
    SSLCertificateKeyFile @root@/conf/ext.key
    SSLVerifyClient optional
    SSLCACertificateFile @pki@/ca.crt
</VirtualHost>
<VirtualHost 127.0.0.1:@port:plain@>
    ServerName rsa.test
</VirtualHost>
CONF
make_cert(dir => $h->root . '/conf', name => 'ext', cn => 'rsa.test', san => [ 'DNS:rsa.test', 'DNS:second.test' ],
          ext => [ 'nsComment=a comment', '1.3.6.1.4.1.99999.1=ASN1:UTF8String:first value',
                   '1.3.6.1.4.1.99999.2=ASN1:PRINTABLESTRING:printable' ]);
ModSSL::CModule::build('mod_tls_probe', $h->root);
$h->start or die $h->why;

# The lines of the page as a hash; values of a name that comes more than once are joined.
sub parse {
    my ($text) = @_;
    my %got;
    for my $line (split /\n/, $text) {
        my ($name, $value) = split / /, $line, 2;
        $got{$name} = exists $got{$name} ? "$got{$name}|$value" : $value;
    }
    return \%got;
}

sub probe {
    my ($sock, @words) = @_;
    $sock or die "no connection: $tls_error\n";
    my $r = http_get($sock, '/probe?' . join('&', @words), 'rsa.test', close => 1) or die "no answer\n";
    $r->{status} == 200 or die "status $r->{status}\n";
    return parse($r->{body});
}

my $has_h2 = ModSSL::Httpd::mpm() ne 'prefork';    # mod_http2 offers nothing there
my $tls = sub { tls_connect(port => $h->port('https'), sni => 'rsa.test', version => '1.3', @_) };
my $plain = sub { raw_connect($h->port('plain')) };
my $h2 = sub {
    my (undef, undef, $body) = curl('--http2', resolve('rsa.test', $h->port('https')),
                                    'https://rsa.test:' . $h->port('https') . '/probe?' . join '&', @_);
    $curl_info{http_version} eq '2' or die "no h2: $curl_error\n";
    return parse($body);
};

subtest 'functions' => sub {
    my $got = probe($tls->(), 'fns');
    is($got->{$_}, 1, "$_ is there")
        for qw(ssl_var_lookup ssl_ext_list ssl_is_https ssl_proxy_enable ssl_engine_disable ssl_engine_set outgoing);
};

subtest 'is it https' => sub {
    my $got = probe($tls->(), 'https');
    is_deeply($got, { fn => 1, 'fn-master' => 1, core => 1, 'core-master' => 1, secondary => 0, scheme => 'https', port => 443 },
              'over TLS');
    $got = probe($plain->(), 'https');
    is_deeply($got, { fn => 0, 'fn-master' => 0, core => 0, 'core-master' => 0, secondary => 0, scheme => 'http', port => 80 },
              'plain http');
    return if !$has_h2;
    $got = $h2->('https');
    is_deeply($got, { fn => 1, 'fn-master' => 1, core => 1, 'core-master' => 1, secondary => 1, scheme => 'https', port => 443 },
              'h2: the connection of a stream is another one');
};

# name, over TLS: with request, with connection only, with server only; plain: with request
my @variables = (
    [ HTTPS                     => 'on', 'on', '', 'off' ],
    [ SSL_PROTOCOL              => 'TLSv1.3', 'TLSv1.3', '', '' ],
    [ SSL_CIPHER                => 'TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384', '', '' ],
    [ SSL_CIPHER_USEKEYSIZE     => '256', '256', '', '' ],
    [ SSL_TLS_SNI               => 'rsa.test', 'rsa.test', '', '' ],
    [ SSL_SERVER_S_DN           => 'CN=rsa.test', 'CN=rsa.test', '', '' ],
    [ SSL_SERVER_S_DN_CN        => 'rsa.test', 'rsa.test', '', '' ],
    [ SSL_SERVER_SAN_DNS_1      => 'second.test', 'second.test', '', '' ],
    [ SSL_CLIENT_VERIFY         => 'NONE', 'NONE', '', '' ],
    [ SSL_CLIENT_S_DN           => '', '', '', '' ],
    [ SSL_CLIENT_S_DN_CN        => '', '', '', '' ],
    [ SSL_CLIENT_CERT           => '', '', '', '' ],
    [ SSL_SESSION_RESUMED       => 'Initial', 'Initial', '', '' ],
    [ SSL_SECURE_RENEG          => 'true', 'true', '', '' ],
    [ SSL_COMPRESS_METHOD       => 'NULL', 'NULL', '', '' ],
    [ SSL_NO_SUCH_VARIABLE      => '', '', '', '' ],
    [ ssl_protocol              => 'TLSv1.3', 'TLSv1.3', '', '' ],
    [ REQUEST_METHOD            => 'GET', '', '', 'GET' ],
    [ REQUEST_SCHEME            => 'https', '', '', 'http' ],
    [ REQUEST_URI               => '/probe', '', '', '/probe' ],
    [ SERVER_NAME               => 'rsa.test', '', '', 'rsa.test' ],
    [ HTTP_HOST                 => 'rsa.test', '', '', 'rsa.test' ],
    [ 'HTTP:Host'               => 'rsa.test', '', '', 'rsa.test' ],
    [ 'HTTP:X-Absent'           => '', '', '', '' ],
    [ 'ENV:PROBE_ABSENT'        => '', '', '', '' ],
    [ REMOTE_ADDR               => '127.0.0.1', '', '', '127.0.0.1' ],
    [ API_VERSION               => 'MMN', 'MMN', 'MMN', 'MMN' ],
    [ THE_REQUEST               => 'GET /probe?var: HTTP/1.1', '', '', 'GET /probe?var: HTTP/1.1' ],
);
subtest 'ssl_var_lookup' => sub {
    my @ask = map { "var:$_->[0]" } @variables;
    my $over_tls = probe($tls->(), @ask);
    my $over_plain = probe($plain->(), @ask);
    for my $row (@variables) {
        my ($name, @want) = @$row;
        my @got = ($over_tls->{"fn:$name"}, $over_tls->{"fn-conn:$name"}, $over_tls->{"fn-server:$name"}, $over_plain->{"fn:$name"});
        my @core = map { my $v = $_; $v } ($over_tls->{"core:$name"}, $over_tls->{"core-conn:$name"},
                                           $over_tls->{"core-server:$name"}, $over_plain->{"core:$name"});
        for my $value (@got, @core) {
            # what is not the same on every machine
            $value =~ s{^\d{8}$}{MMN};
            $value =~ s{(\?var:)\S+}{$1};
            # a client that offers nothing but TLS 1.3 need not say that it renegotiates securely: OpenSSL 3.5 does not
            $value =~ s{^false$}{true} if $name eq 'SSL_SECURE_RENEG';
        }
        is_deeply(\@got, \@want, "$name by the optional function") or diag join ', ', map { "'$_'" } @got;
        is_deeply(\@core, \@got, "$name by the function of httpd");
    }
    SKIP: {
        skip 'no h2 under prefork', 6 if !$has_h2;
        my $over_h2 = $h2->(map { "var:$_" } qw(SSL_PROTOCOL SSL_TLS_SNI HTTPS SSL_SERVER_S_DN_CN));
        is($over_h2->{'fn:SSL_PROTOCOL'}, 'TLSv1.3', 'h2: a variable of the connection below');
        is($over_h2->{"fn-conn:$_"}, $over_tls->{"fn-conn:$_"} // 'TLSv1.3', "h2: $_ by the connection of a stream")
            for qw(SSL_PROTOCOL SSL_TLS_SNI HTTPS SSL_SERVER_S_DN_CN);
        is($over_h2->{"core:SSL_TLS_SNI"}, 'rsa.test', 'h2: by the function of httpd');
    }

    my $library = probe($tls->(), 'var:SSL_VERSION_LIBRARY', 'var:SSL_VERSION_INTERFACE');
    like($library->{'fn-server:SSL_VERSION_LIBRARY'}, qr{^OpenSSL/\d}, 'SSL_VERSION_LIBRARY needs no connection');
    like($library->{'fn-server:SSL_VERSION_INTERFACE'}, qr{^mod_ssl/\d}, 'SSL_VERSION_INTERFACE neither');
    is($library->{"core-server:$_"}, $library->{"fn-server:$_"}, "$_ by both") for qw(SSL_VERSION_LIBRARY SSL_VERSION_INTERFACE);
};

subtest 'with a client certificate' => sub {
    my $got = probe($tls->(client => 'client'), map { "var:$_" } qw(SSL_CLIENT_VERIFY SSL_CLIENT_S_DN_CN SSL_CLIENT_M_SERIAL));
    is($got->{'fn:SSL_CLIENT_VERIFY'}, 'SUCCESS', 'SSL_CLIENT_VERIFY');
    is($got->{'fn-conn:SSL_CLIENT_S_DN_CN'}, 'Test Client', 'SSL_CLIENT_S_DN_CN');
    like($got->{'core:SSL_CLIENT_M_SERIAL'}, qr/^[0-9A-F]+$/, 'SSL_CLIENT_M_SERIAL');
};

subtest 'ssl_ext_list' => sub {
    my @names = qw(nsComment subjectAltName 2.5.29.17 basicConstraints 1.3.6.1.4.1.99999.1 1.3.6.1.4.1.99999.2 1.2.3.4 nonsense);
    my $got = probe($tls->(), map { "ext:$_" } @names);
    is($got->{'count:nsComment'}, 1, 'one nsComment');
    is($got->{'value:nsComment'}, 'a comment', 'its value');
    is($got->{'value:subjectAltName'}, 'DNS:rsa.test, DNS:second.test', 'subjectAltName by name');
    is($got->{'value:2.5.29.17'}, 'DNS:rsa.test, DNS:second.test', 'and by number');
    is($got->{'value:basicConstraints'}, 'CA:FALSE', 'basicConstraints');
    is($got->{'value:1.3.6.1.4.1.99999.1'}, 'first value', 'an extension that OpenSSL does not know: its string');
    is($got->{'count:1.3.6.1.4.1.99999.2'}, -1, 'one that holds no UTF8String is not given');
    is($got->{'count:1.2.3.4'}, '-1', 'an extension that is not there');
    is($got->{'count:nonsense'}, '-1', 'a name that is none');

    $got = probe($tls->(), 'peerext:subjectAltName');
    is($got->{'count:subjectAltName'}, '-1', 'no client certificate');
    $got = probe($tls->(client => 'client'), 'peerext:subjectAltName', 'peerext:nsComment');
    like($got->{'value:subjectAltName'}, qr/^email:client\@example\.test, DNS:client\.test/, 'of the client certificate');
    is($got->{'count:nsComment'}, '-1', 'which has no comment');
    $got = probe($plain->(), 'ext:subjectAltName', 'peerext:subjectAltName');
    is($got->{'count:subjectAltName'}, '-1|-1', 'plain http');
    return if !$has_h2;
    $got = $h2->('ext:nsComment');
    is($got->{'value:nsComment'}, 'a comment', 'h2');
};

subtest 'without mod_ssl' => sub {
    my $bare = ModSSL::Httpd->new(name => 'interfaces-bare', without => ['ssl'], listen => ['plain'], config => <<"CONF");
LoadModule tls_probe_module ${\ $h->root }/mod_tls_probe.so
<Location /probe>
    SetHandler ssl-probe
</Location>
CONF
    $bare->start or return fail($bare->why);
    my $got = probe(raw_connect($bare->port), 'fns', 'https');
    is("$got->{ssl_ext_list} $got->{outgoing} $got->{core}", '0 0 0', 'the probe sees that nothing is there');
};

done_testing;
