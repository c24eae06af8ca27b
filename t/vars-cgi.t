# The whole environment of a CGI script, for client certificates that hold what certificates should not, with each
# combination of SSLOptions; and the same through SSI, mod_headers, mod_rewrite and expressions. What is expected was
# recorded from the stock module: t/data/vars-cgi.txt (MODSSL_RECORD=/tmp/file ./t/TEST -stock vars-cgi writes it).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::DER qw(:all);
use ModSSL::PKI qw(slurp spew);

my %COMBINATIONS = (
    none   => '',
    std    => 'SSLOptions +StdEnvVars',
    legacy => 'SSLOptions +StdEnvVars +LegacyDNStringFormat',
    certs  => 'SSLOptions +ExportCertData',
    dn     => 'SSLOptions +LegacyDNStringFormat',
    all    => 'SSLOptions +StdEnvVars +ExportCertData +LegacyDNStringFormat',
);

# Names that are looked up besides, in a lookup's own words
my @LOOKUPS = qw(SSL_CLIENT_S_DN SSL_CLIENT_S_DN_CN SSL_CLIENT_S_DN_CN_RAW SSL_CLIENT_S_DN_CN_1 SSL_CLIENT_S_DN_CN_1_RAW
    SSL_CLIENT_S_DN_O_RAW SSL_CLIENT_S_DN_OU_2 SSL_CLIENT_S_DN_OU_29 SSL_CLIENT_S_DN_OU_30 SSL_CLIENT_S_DN_Email
    SSL_CLIENT_S_DN_SerialNumber SSL_CLIENT_I_DN_OU_1 SSL_CLIENT_I_DN_OU_RAW SSL_CLIENT_SAN_DNS_1 SSL_CLIENT_SAN_DNS_25
    SSL_CLIENT_SAN_Email_1 SSL_CLIENT_SAN_OTHER_msUPN_1 SSL_CLIENT_SAN_OTHER_dnsSRV_0
    SSL_CLIENT_CERT_RFC4523_CEA SSL_CLIENT_V_END SSL_SERVER_S_DN SSL_SERVER_SAN_OTHER_msUPN_0 SSL_CLIENT_VERIFY);

my %CLIENTS = (
    plain    => { subject => [[C => printable('DE')], [ST => utf8('Land')], [L => utf8('Town')], [O => utf8('Org')],
                              [OU => utf8('Unit')], [CN => utf8('Plain')]] },
    none     => { subject => [] },
    units    => { subject => [map({ [OU => utf8("unit $_")] } 0 .. 29), [CN => utf8('first')], [CN => utf8('second')]] },
    utf8     => { subject => [[CN => utf8("Gr\xc3\xb6\xc3\x9fe \xe2\x82\xac \xe6\xbc\xa2 \xf0\x9f\x98\x80 e\xcc\x81 \xe2\x80\xae")],
                              [O => utf8("\xc2\x80\xc2\x9b\xc2\xa0")]] },
    bmp      => { subject => [[CN => bmp("B\x{e4}r \x{20ac}\x{6f22}")], [O => bmp("a\0b")], [OU => bmp("\n")]] },
    t61      => { subject => [[CN => t61("B\xe4r \xa4\xff")], [O => t61("a\0b\x1b[31m")]] },
    universal => { subject => [[CN => universal("a\x{1f600}\x{e4}")]] },
    nul      => { subject => [[CN => utf8("good.test\0evil")], [CN => printable("\0")], [O => ia5("a\0")], [OU => utf8('')]],
                  san => [dns("good.test\0.evil"), email("a\@good.test\0b"), upn(utf8("u\0v")), dns(''), dns('last')] },
    marks    => { subject => [[CN => utf8('a/b,c+d"e;f<g>h=i\\j')], [O => utf8(' both ends ')], [OU => utf8('#hash')],
                              [OU => utf8('/CN=fake/OU=x')], [OU => utf8("CN=x, OU=y")], [L => utf8('a\\00b')], [ST => utf8('  ')],
                              [C => utf8('\'`$(id)%{x}&|*?[]{}!~^')]] },
    control  => { subject => [[CN => utf8("line\nfeed\r\ttab\e[31m\x7f\x01end")], [O => ia5("a\x80\xffb")], [OU => printable("x\ny")]],
                  san => [dns("a\nb"), email("a\r\nb: c"), upn(utf8("\e]0;x\x07"))] },
    sans     => { subject => [[CN => utf8('sans')]],
                  san => [map({ (dns("h$_.test"), email("m$_\@a.test"), upn(utf8("u$_\@upn.test"))) } 0 .. 29),
                          uri('https://a.test/'), ip(127, 0, 0, 1), ip((0) x 15, 1), ip(1, 2, 3), rid('1.2.3.4'),
                          dirname(name([[CN => utf8('dir')]])), srv(ia5('_https.a.test')), srv(utf8('_no.a.test')),
                          upn(ia5('ia5')), upn(printable('printable')), upn(utf8('')), upn(utf8("\xc3\xa4")), upn(bmp("\x{e4}")),
                          other('1.2.3.4', utf8('x')), upn(sequence()), dns("\xe4.test"), email("\xff")] },
    nosan    => { subject => [[CN => utf8('nosan')]], san => [] },
    big      => { subject => [map({ [OU => utf8($_ x 1000)] } 'a' .. 'p'), [CN => utf8('big')]] },
    multi    => { subject => [[CN => utf8('one'), OU => utf8('with')], [O => utf8('b'), O => utf8('a')], [CN => utf8('two')]] },
    unknown  => { subject => [['1.2.3.4.5' => utf8('x')], ['2.999.1' => utf8('y')], [DC => ia5('test')], [postalCode => utf8('1')],
                              ['1.2.3.4.5' => utf8("\xc3\xa4")], [CN => utf8('unknown')]] },
    types    => { subject => [[CN => numeric('12 3')], [OU => bits("\xa5")], [L => sequence(utf8('in'))]] },
    person   => { subject => [[title => utf8('Dr.')], [initials => utf8('A.B.')], [GN => utf8('Given')], [SN => utf8('Sur')],
                              [description => utf8('words, more')], [UID => utf8('u1')], [emailAddress => ia5('a@b.test')],
                              [emailAddress => utf8("\xc3\xa4\@b.test")], [serialNumber => printable('0815')],
                              [x500UniqueIdentifier => bits("\x01\x02")], [CN => utf8('Person')]],
                  uids => der(0x81, "\0\x01\x02") . der(0x82, "\0\x03") },
    dates    => { subject => [[CN => utf8('dates')]], before => utctime('500101000000Z'), after => generalized('99991231235959Z') },
    dates2   => { subject => [[CN => utf8('dates2')]], before => generalized('20010203040506Z'), after => generalized('20500101000000Z') },
    minus    => { subject => [[CN => utf8('minus')]], serial => integer('-1') },
    minus2   => { subject => [[CN => utf8('minus2')]], serial => integer('-32769') },
    zero     => { subject => [[CN => utf8('zero')]], serial => integer('0') },
    padded   => { subject => [[CN => utf8('padded')]], serial => integer('0x0a0b0c') },
    huge     => { subject => [[CN => utf8('huge')]], serial => integer('0x7f' . 'ef' x 60) },
    v1       => { subject => [[CN => utf8('version 1')]], version => 0 },
);

my $config = <<'CONF';
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
RewriteEngine on
SSLVerifyClient optional_no_ca
SSLEngine on
SSLProtocol TLSv1.2
SSLCertificateFile    @root@/conf/server.crt
SSLCertificateKeyFile @root@/conf/server.key
SSLCACertificateFile  @root@/conf/authority.crt
<Directory @root@/htdocs>
    Options +Includes
</Directory>
RewriteRule ^/rewritten$ - [E=RW1:%{SSL:SSL_CLIENT_S_DN},E=RW2:%{SSL:SSL_CLIENT_S_DN_CN},E=RW3:%{SSL:SSL_CLIENT_SAN_DNS_0}]
RewriteRule ^/rewritten$ /cgi/none [PT]
CONF
$config .= "<Location /cgi/$_>\n$COMBINATIONS{$_}\n</Location>\n" for sort keys %COMBINATIONS;
$config .= "<Location /lookup/>\n" . join('', map { qq(Header set X-$_ "expr=<%{$LOOKUPS[$_]}>"\n) } 0 .. $#LOOKUPS) . "</Location>\n";
$config .= <<'CONF';
<Location /header/>
    Header set X-DN "<%{SSL_CLIENT_S_DN}s>"
    Header set X-CN "<%{SSL_CLIENT_S_DN_CN}s>"
    Header set X-SAN "<%{SSL_CLIENT_SAN_DNS_0}s>"
</Location>
<Location /page.shtml>
    SSLOptions +StdEnvVars
</Location>
CONF

sub server {
    my ($name, %how) = @_;
    my $h = ModSSL::Httpd->new(name => "vars-cgi-$name", config => $config, %how);
    my $dir = $h->root . '/conf';
    my $ca = odd_cert(dir => $dir, name => 'authority', ca => 1, serial => integer(1),
        subject => [[C => printable('DE')], [O => utf8("Stra\xc3\x9fe, \"AG\"")], [OU => bmp("\x{e4}"), OU => utf8('b+c')], [CN => utf8('Odd/CA')]]);
    odd_cert(dir => $dir, name => 'server', issuer => $ca, serial => integer('0x00ff00'), after => generalized('20501231000000Z'),
        subject => [[C => printable('DE')], [OU => utf8('one')], [OU => utf8('two, 2')], [CN => utf8('a.test')]],
        san => [dns('a.test'), email('m@a.test'), srv(ia5('_https.a.test')), upn(utf8('u@a.test')), dns('b.test'), ip(127, 0, 0, 1)]);
    odd_cert(dir => $dir, name => "c-$_", issuer => $ca, %{ $CLIENTS{$_} }) for sort keys %CLIENTS;
    $h->cgi($_, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec env -0\n") for sort keys %COMBINATIONS;
    $h->file("htdocs/$_/index.html", "found\n") for qw(lookup header);
    $h->file('htdocs/page.shtml', join "\n", map { qq(<!--#echo encoding="none" var="SSL_CLIENT_$_" -->) } qw(S_DN S_DN_CN SAN_DNS_0 VERIFY CERT));
    $h->start or die $h->why;
    return $h;
}

# Printable characters only, one line; of long ones the hash
sub shown {
    my ($value) = @_;
    $value = '' if !defined $value;
    return length($value) . ' characters, MD5 ' . md5_hex($value) if length $value > 400;
    $value =~ s/([^\x20-\x7e])/sprintf '\\x{%02x}', ord $1/ge;
    return $value;
}

# [name => value] of one client in all contexts
sub see {
    my ($h, $client) = @_;
    my $dir = $h->root . '/conf';
    my @how = (port => $h->port, version => '1.2', ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256',
               $client ? (cert => "$dir/c-$client.crt", key => "$dir/c-$client.key") : ());
    my $sock = tls_connect(@how) or return [connection => $tls_error];
    my $ask = sub {
        my $answer = http_get($sock, $_[0], 'a.test', @_[1 .. $#_]);
        $sock = tls_connect(@how) if !$answer;
        return $answer || { body => 'no answer', headers => {} };
    };
    my %pem = ("$dir/server.crt" => 'the server', "$dir/authority.crt" => 'the authority', $client ? ("$dir/c-$client.crt" => 'the client') : ());
    my %name_of = map { slurp($_) => "($pem{$_})" } keys %pem;
    my (@seen, %std);
    for my $combination ('std', grep { $_ ne 'std' } sort keys %COMBINATIONS) {
        my $answer = $ask->("/cgi/$combination");
        return [refused => 1] if $client eq 'big' && ($answer->{status} || 0) == 503;
        my $body = $answer->{body};
        my %env = map { /^((?:SSL_|HTTPS)\w*)=(.*)/s ? ($1 => $name_of{$2} || shown($2)) : () } split /\0/, $body;
        # what a clock or chance rules, or the version of the module; and what is the same for each client
        delete @env{qw(SSL_CLIENT_V_REMAIN SSL_SESSION_ID SSL_VERSION_INTERFACE SSL_VERSION_LIBRARY SSL_SESSION_RESUMED)};
        delete @env{ grep { !/^SSL_CLIENT_/ } keys %env } if $client;
        if ($combination eq 'std') {
            %std = %env;
            push @seen, map { ["std $_" => $env{$_}] } sort keys %env;
            next;
        }
        # of the other combinations, what is different
        push @seen, map { ["$combination $_" => $env{$_}] } grep { !defined $std{$_} || $std{$_} ne $env{$_} } sort keys %env;
        push @seen, ["$combination without" => scalar grep { !defined $env{$_} } keys %std];
    }
    my $headers = $ask->('/lookup/')->{headers};
    push @seen, grep { $_->[1] ne '<>' } map { ["lookup $LOOKUPS[$_]" => shown($headers->{"x-$_"})] } 0 .. $#LOOKUPS;
    $headers = $ask->('/header/')->{headers};
    push @seen, map { ["header $_" => shown($headers->{$_})] } qw(x-dn x-cn x-san);
    push @seen, ['ssi' => shown($ask->('/page.shtml')->{body})];
    my $body = $ask->('/rewritten', close => 1)->{body};
    push @seen, map { /^(RW\d)=(.*)/s ? ["rewrite $1" => shown($2)] : () } sort split /\0/, $body;
    return @seen;
}

# Where the two modules differ: 'client context name' => what ours says; reasons in docs/differences.md
my $HUGE = '7F' . 'EF' x 60;
my %OURS = (
    # stock breaks the line of a long serial number, which a header does not survive
    'huge std SSL_CLIENT_M_SERIAL' => $HUGE,
);

my $FILE = 't/data/vars-cgi.txt';
my $h = server('cgid');
if (my $record = $ENV{MODSSL_RECORD}) {
    die "recorded from the stock module only\n" if !is_stock();
    my $text = '';
    for my $client ('', sort keys %CLIENTS) {
        $text .= join '', map { ($client || '-') . " $_->[0]\t$_->[1]\n" } see($h, $client);
    }
    spew($record, $text);
    plan skip_all => "written: $record";
}
my %expected;
for (split /\n/, slurp($FILE)) {
    my ($client, $what, $value) = /^(\S+) ([^\t]+)\t(.*)$/ or next;
    $expected{$client}{$what} = $value;
}
for my $client ('', sort keys %CLIENTS) {
    my $name = $client || '-';
    my $want = $expected{$name};
    my %got = map { @$_ } see($h, $client);
    SKIP: { skip "$name: this httpd's mod_cgid takes no environment of that size", 1 if $got{refused} }
    next if $got{refused};
    if (!is_stock()) {
        for (keys %OURS) {
            my ($whose, $what) = /^(\S+) (.*)$/;
            $want->{$what} = $OURS{$_} if $whose eq $name;
        }
    }
    my @wrong = grep { ($got{$_} // 'undef') ne ($want->{$_} // 'undef') } sort keys %{ { %got, %$want } };
    ok(!@wrong, "$name: " . keys(%$want) . ' values') or diag(map { "$name $_\n  got      " . ($got{$_} // 'nothing') . "\n  expected "
        . ($want->{$_} // 'nothing') . "\n" } @wrong);
}
ok($h->alive, 'the server is up');
$h->stop;

# The same from mod_cgi
my $plain = server('cgi', without => ['cgid'], modules => ['cgi']);
for my $client (qw(marks sans big)) {
    my %got = map { @$_ } see($plain, $client);
    my @wrong = grep { ($got{$_} // 'undef') ne ($OURS{"$client $_"} // $expected{$client}{$_} // 'undef') } sort keys %got;
    is("@wrong", '', "mod_cgi, $client");
}
done_testing;
