# What the main server says holds in a virtual host, what that says in a directory, then .htaccess, then <Location>; the one
# that stands nearest to the request rules, and +/- options of SSLOptions change what was inherited. The same in both modules.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $ENV_CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n";

# --- directories: SSLOptions, SSLUserName, SSLRequireSSL ------------------------------------------

# [main server, virtual host, <Directory>, .htaccess, <Location>] => what a script sees: env (SSL_PROTOCOL), cert (SSL_SERVER_CERT)
my @OPTIONS = (
    [['',               '',                '',                '',                ''               ] => ''],
    [['',               '+StdEnvVars',     '',                '',                ''               ] => 'env'],
    [['',               'StdEnvVars',      '',                '',                ''               ] => 'env'],
    [['',               '',                '+StdEnvVars',     '',                ''               ] => 'env'],
    [['',               '',                '',                '+StdEnvVars',     ''               ] => 'env'],
    [['',               '',                '',                '',                '+StdEnvVars'    ] => 'env'],
    [['',               '+StdEnvVars',     '+ExportCertData', '',                ''               ] => 'env cert'],
    [['',               '+StdEnvVars',     'ExportCertData',  '',                ''               ] => 'cert'],
    [['',               'StdEnvVars',      '+ExportCertData', '',                ''               ] => 'env cert'],
    [['',               'StdEnvVars',      'ExportCertData',  '',                ''               ] => 'cert'],
    [['',               'StdEnvVars',      '-StdEnvVars',     '',                ''               ] => ''],
    [['',               '+StdEnvVars',     '-StdEnvVars',     '',                ''               ] => ''],
    [['',               '+StdEnvVars',     '-StdEnvVars',     '+StdEnvVars',     ''               ] => 'env'],
    [['',               '+StdEnvVars',     '-StdEnvVars',     '',                '+StdEnvVars'    ] => 'env'],
    [['',               '+StdEnvVars',     '',                '-StdEnvVars',     ''               ] => ''],
    [['',               '+StdEnvVars',     '',                '-StdEnvVars',     '+ExportCertData'] => 'cert'],
    [['',               '',                '+StdEnvVars',     '-StdEnvVars',     '+StdEnvVars'    ] => 'env'],
    [['',               '',                '+StdEnvVars',     'ExportCertData',  ''               ] => 'cert'],
    [['',               '',                '',                'StdEnvVars',      'ExportCertData' ] => 'cert'],
    [['',               '',                '+StdEnvVars +ExportCertData', '-ExportCertData', ''   ] => 'env'],
    [['',               '',                'StdEnvVars +ExportCertData', '', ''                   ] => 'env cert'],
    [['',               '',                'StdEnvVars -StdEnvVars', '', ''                       ] => ''],
    [['',               '',                '+StdEnvVars -StdEnvVars', '', ''                      ] => ''],
    [['',               '',                '-StdEnvVars +StdEnvVars', '', ''                      ] => 'env'],
    [['',               'ExportCertData',  'StdEnvVars +ExportCertData', '-StdEnvVars', ''        ] => 'cert'],
    [['',               '-StdEnvVars',     'StdEnvVars',      '',                ''               ] => 'env'],
    [['+StdEnvVars',    '',                '',                '',                ''               ] => 'env'],
    [['+StdEnvVars',    '+ExportCertData', '',                '',                ''               ] => 'env cert'],
    [['+StdEnvVars',    '-StdEnvVars',     '',                '',                ''               ] => ''],
    [['+StdEnvVars',    'ExportCertData',  '',                '',                ''               ] => 'cert'],
    [['+StdEnvVars',    '-StdEnvVars',     '+StdEnvVars',     '',                ''               ] => 'env'],
    [['+StdEnvVars',    '',                '',                '',                '-StdEnvVars'    ] => ''],
    [['+StdEnvVars',    '',                'ExportCertData',  '+StdEnvVars',     ''               ] => 'env cert'],
    [['ExportCertData', '+StdEnvVars',     '',                '',                ''               ] => 'env cert'],
    [['ExportCertData', 'StdEnvVars',      '',                '',                ''               ] => 'env'],
    [['ExportCertData', '',                '-ExportCertData', '+StdEnvVars',     ''               ] => 'env'],
);

# The same places => the user
my @USER = (
    [['', '', '', '', ''] => ''],
    [['SSL_CLIENT_S_DN_CN', '', '', '', ''] => 'Test Client'],
    [['SSL_CLIENT_S_DN_CN', 'SSL_CLIENT_S_DN_O', '', '', ''] => 'Test Org'],
    [['SSL_CLIENT_S_DN_CN', '', 'SSL_CLIENT_S_DN_OU', '', ''] => 'Test Unit'],
    [['', 'SSL_CLIENT_S_DN_O', '', 'SSL_CLIENT_S_DN_OU', ''] => 'Test Unit'],
    [['', 'SSL_CLIENT_S_DN_O', 'SSL_CLIENT_S_DN_C', 'SSL_CLIENT_S_DN_OU', 'SSL_CLIENT_S_DN_CN'] => 'Test Client'],
    [['', '', '', '', 'SSL_CLIENT_S_DN_L'] => 'Testtown'],
);

# SSLRequireSSL cannot be taken back => plain HTTP
my @REQUIRE = (
    [['', '', '', '', ''] => 200],
    [['', '', 'SSLRequireSSL', '', ''] => 403],
    [['', '', '', 'SSLRequireSSL', ''] => 403],
    [['', '', '', '', 'SSLRequireSSL'] => 403],
    [['', '', 'SSLRequireSSL', '', 'SSLOptions +StdEnvVars'] => 403],
);

sub line { my ($directive, $value) = @_; return $value eq '' ? '' : "$directive $value\n" }

# A virtual host on TLS, and its twin without, for one row; its .htaccess is written to $h.
sub hosts_of_row {
    my ($h, $name, $directive, $row) = @_;
    my ($main, $vhost, $directory, $htaccess, $location) = map { $directive ? line($directive, $_) : "$_\n" } @$row;
    my $dir = "htdocs/$name";
    chmod 0755, $h->file("$dir/env.cgi", $ENV_CGI);
    $h->file("$dir/.htaccess", $htaccess);
    my $common = "ServerName $name.test\nDocumentRoot \@root\@/$dir\n$vhost<Directory \@root\@/$dir>\n$directory</Directory>\n"
               . "<Location />\n$location</Location>\n";
    return "<VirtualHost *:\@port:https\@>\n${common}SSLEngine on\n</VirtualHost>\n<VirtualHost *:\@port:plain\@>\n$common</VirtualHost>\n";
}

sub body_of {
    my ($h, $name) = @_;
    my $sock = tls_connect(port => $h->port, sni => "$name.test", version => '1.2', client => 'client') or return "no TLS: $tls_error";
    my $answer = http_get($sock, '/env.cgi', "$name.test", close => 1);
    return $answer ? $answer->{body} : 'no answer';
}

sub options_seen {
    my ($body) = @_;
    return join ' ', $body =~ /^SSL_PROTOCOL=TLSv1\.2$/m ? 'env' : (), $body =~ /^SSL_SERVER_CERT=-----BEGIN/m ? 'cert' : ();
}

sub named { my ($row) = @_; return join ' | ', map { $_ eq '' ? '-' : $_ } @$row }

# Each value of the main server wants a server of its own.
sub rows_in_one_server {
    my ($main, $directive, @rows) = @_;
    my $h = ModSSL::Httpd->new(listen => [qw(https plain)], modules => ['access_compat']);
    my %name;
    my $hosts = join '', map { $name{ $rows[$_] } = "r$_"; hosts_of_row($h, "r$_", $directive, $rows[$_][0]) } 0 .. $#rows;
    $h->config("AddHandler cgi-script .cgi\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n"
        . "SSLCACertificateFile \@pki\@/ca.crt\nSSLVerifyClient optional\n" . line($directive, $main) . $hosts);
    $h->start or die $h->why;
    return ($h, map { [$_, $name{$_}] } @rows);
}

for my $table ([SSLOptions => \@OPTIONS, \&options_seen],
               [SSLUserName => \@USER, sub { return $_[0] =~ /^REMOTE_USER=(.*)$/m ? $1 : $_[0] =~ /^SERVER_NAME=/m ? '' : $_[0] }]) {
    my ($directive, $rows, $seen) = @$table;
    my %main;
    push @{ $main{ $_->[0][0] } }, $_ for @$rows;
    for my $main (sort keys %main) {
        my ($h, @named) = rows_in_one_server($main, $directive, @{ $main{$main} });
        for (@named) {
            my ($row, $name) = @$_;
            is($seen->(body_of($h, $name)), $row->[1], "$directive " . named($row->[0]));
        }
    }
}

{
    my ($h, @named) = rows_in_one_server('', '', @REQUIRE);
    for (@named) {
        my ($row, $name) = @$_;
        my $plain = http_get(raw_connect($h->port('plain')), '/env.cgi', "$name.test", close => 1);
        is($plain->{status}, $row->[1], 'SSLRequireSSL, plain HTTP: ' . named($row->[0]));
        like(body_of($h, $name), qr/^HTTPS=on$/m, 'and TLS is served');
    }
}

# --- virtual hosts ------------------------------------------------------------------------------

my $BOTH = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256';
my $MAIN = <<"CONF";
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
SSLProtocol -all +TLSv1.2
SSLCipherSuite $BOTH
SSLHonorCipherOrder on
SSLSessionTickets off
SSLVerifyClient optional
SSLVerifyDepth 1
SSLCACertificateFile \@pki\@/ca.crt
SSLOpenSSLConfCmd Curves P-256
CONF

# What a virtual host adds => what differs from what all of them inherit
my %INHERITED = (certificate => 'rsa.test', versions => '1.2', suite => '256', order => 'server', ticket => 'no', client => 'optional',
                 group => 'P-256', inter => 'refused', revoked => 'taken');
my @HOSTS = (
    [''                                                           => {}],
    ["SSLCertificateFile \@pki\@/a.crt\nSSLCertificateKeyFile \@pki\@/a.key\nSSLCipherSuite ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"
                                                                  => { certificate => 'a.test' }],
    ['SSLProtocol all'                                            => { versions => '1.2 1.3' }],
    ['SSLProtocol +TLSv1.3'                                       => { versions => '1.3' }],
    ['SSLCipherSuite ECDHE-RSA-AES128-GCM-SHA256'                 => { suite => '128', order => 'client' }],
    ['SSLHonorCipherOrder off'                                    => { order => 'client' }],
    ['SSLSessionTickets on'                                       => { ticket => 'yes' }],
    ['SSLVerifyClient none'                                       => { client => 'none', inter => 'not asked', revoked => 'not asked' }],
    ['SSLVerifyClient require'                                    => { client => 'require' }],
    ['SSLVerifyDepth 2'                                           => { inter => 'taken' }],
    ["SSLCACertificateFile \@pki\@/ca-inter.crt\nSSLVerifyDepth 2" => { inter => 'taken' }],
    ["SSLCACertificatePath \@pki\@/ca-dir\nSSLVerifyDepth 2"      => { inter => 'taken' }],
    ["SSLCARevocationFile \@pki\@/ca.crl\nSSLCARevocationCheck leaf" => { revoked => 'refused' }],
    ['SSLOpenSSLConfCmd Curves P-384'                             => { group => 'P-384' }],
    ['SSLOpenSSLConfCmd Options -ServerPreference'                => { order => 'client' }],
);

# In the stock module these are settings of the address: the first host's, whichever the client names.
my %OF_FIRST_HOST = ('SSLHonorCipherOrder off' => 'order', 'SSLSessionTickets on' => 'ticket',
                     'SSLOpenSSLConfCmd Options -ServerPreference' => 'order',
                     'SSLOpenSSLConfCmd Curves P-384' => 'group');

my $h = ModSSL::Httpd->new;
$h->config($MAIN . "SSLOptions +StdEnvVars\n" . join '', map {
    "<VirtualHost *:\@port:https\@>\nServerName h$_.test\nSSLEngine on\n$HOSTS[$_][0]\n</VirtualHost>\n" } 0 .. $#HOSTS);
$h->start or die $h->why;

sub connected { my ($sni, %o) = @_; return tls_connect(port => $h->port, sni => $sni, %o) }
sub served {
    my ($sni, %o) = @_;
    my $sock = connected($sni, %o) or return '';
    my $answer = http_get($sock, '/cgi/env', $sni, close => 1) or return '';
    return $answer->{status} == 200 ? $answer->{body} : '';
}

my %PROBE = (
    certificate => sub { my $s = connected($_[0], version => $_[1], client => 'client'); return $s ? peer_cn($s) : 'none' },
    versions => sub { my ($sni) = @_; return join ' ', grep { served($sni, version => $_, client => 'client') } '1.2', '1.3' },
    suite => sub { return served($_[0], version => '1.2', client => 'client') =~ /^SSL_CIPHER_USEKEYSIZE=(\d+)/m ? $1 : 'none' },
    order => sub {
        my $ecdsa = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
        my $body = served($_[0], version => '1.2', client => 'client',
                          ciphers => "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:$ecdsa");
        return $body =~ /^SSL_CIPHER=.*AES256/m ? 'server' : $body =~ /^SSL_CIPHER=/m ? 'client' : 'none';
    },
    ticket => sub {
        my ($sni) = @_;
        my $first = connected($sni, version => '1.2', client => 'client') or return 'none';
        http_get($first, '/', $sni, close => 1);
        my $second = connected($sni, version => '1.2', client => 'client', session => session($first)) or return 'none';
        return resumed($second) ? 'yes' : 'no';
    },
    client => sub {
        my ($sni, $version) = @_;
        my ($with) = served($sni, version => $version, client => 'client') =~ /^SSL_CLIENT_VERIFY=(\w+)/m;
        return 'none' if ($with || '') ne 'SUCCESS';
        return served($sni, version => $version) ? 'optional' : 'require';
    },
    group => sub {
        my ($sni) = @_;
        my @got = grep { served($sni, client => 'client', groups => $_) } 'P-256', 'P-384';
        return join ' ', @got;
    },
    inter => sub { return judged($_[0], 'client-inter', $_[1]) },
    revoked => sub { return judged($_[0], 'client-revoked', $_[1]) },
);
sub judged {
    my ($sni, $client, $version) = @_;
    my ($with) = served($sni, version => $version, client => $client) =~ /^SSL_CLIENT_VERIFY=(\w+)/m;
    return !defined $with ? 'refused' : $with eq 'SUCCESS' ? 'taken' : 'not asked';
}

for my $i (0 .. $#HOSTS) {
    my ($conf, $change) = @{ $HOSTS[$i] };
    my %want = (%INHERITED, %$change);
    my $version = $want{versions} =~ /1\.2/ ? '1.2' : '1.3';
    # TLS 1.3 alone: the probes of TLS 1.2 have nothing to say
    delete @want{qw(suite order ticket)} if $version eq '1.3';
    my %got = map { $_ => $PROBE{$_}->("h$i.test", $version) } keys %want;
    if (is_stock() && $OF_FIRST_HOST{$conf}) {
        note "$conf: stock leaves the first host's in force";
        $want{ $OF_FIRST_HOST{$conf} } = $INHERITED{ $OF_FIRST_HOST{$conf} };
    }
    is_deeply(\%got, \%want, $conf eq '' ? 'a virtual host that says nothing' : $conf) or diag(explain(\%got));
}
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
