package ModSSL::Corpus;

=head1 NAME

ModSSL::Corpus - small configurations and what httpd says to each

=head1 SYNOPSIS

    use ModSSL::Corpus qw(read_corpus);
    my $corpus = ModSSL::Corpus->new;
    for my $case (read_corpus('t/data/config-corpus.txt')) {
        my ($verdict, $output) = $corpus->judge($case);
    }

=head1 THE FILE

One case a line, columns apart by white space; F<t/data/config-corpus.txt> describes them. C<read_corpus> returns a
hash for each: C<stock>, C<ours> (equal unless a reason is given), C<place>, C<text>, C<reason>, C<line>.
C<format_case> is its inverse. C<< $corpus->configtest($case) >> asks C<httpd -t> and returns C<Syntax OK> or C<refused>.

=head1 VERDICTS

  ok      the server would start
  start   the configuration can be read (httpd -t says "Syntax OK"), but the start is refused
  read    refused while the configuration is read: httpd -t says so, too
  crash   anything else: a signal, or an end without any reason

A case is judged by one run of httpd, which does not last: its PidFile cannot be written, which httpd finds out after
everything that modules have a say in. Cases of place htaccess are judged together by requests to one server: 500 is
C<read>.

=cut

use strict;
use warnings;
use Exporter 'import';
use ModSSL::Client qw(raw_connect http_get);
use ModSSL::Httpd;
use ModSSL::PKI qw(slurp);

our @EXPORT_OK = qw(read_corpus format_case places);

# What stands before and after the text of a case.
my $HOST = "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName rsa.test\n";
my $PAIR = "SSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
my %PLACE = (
    server    => ['', ''],
    vhost     => [$HOST, "</VirtualHost>\n"],                                   # the engine is off
    host      => ["${HOST}SSLEngine on\n", "</VirtualHost>\n"],                 # ... on, without certificate
    tls       => ["${HOST}SSLEngine on\n$PAIR", "</VirtualHost>\n"],            # ... on, with certificate and key
    main      => ["SSLEngine on\n$PAIR", ''],                                   # TLS without virtual hosts
    directory => ["<Directory \@root\@/htdocs>\n", "</Directory>\n"],
    location  => ["<Location /x>\n", "</Location>\n"],
    files     => ["<Files x>\n", "</Files>\n"],
    if        => ["<If \"true\">\n", "</If>\n"],
    limit     => ["<Directory \@root\@/htdocs>\n<Limit GET>\n", "</Limit>\n</Directory>\n"],
    proxy     => ["<Proxy https://a.test/>\n", "</Proxy>\n"],
    htaccess  => ['', ''],
);

sub places { return sort keys %PLACE }

sub read_corpus {
    my ($file) = @_;
    my (@cases, $number);
    for my $line (split /\n/, slurp($file)) {
        $number++;
        next if $line =~ /^\s*(?:#|$)/;
        my ($verdicts, $place, $rest) = $line =~ /^\s*(\S+)\s+(\w+)\s*(.*?)\s*$/ or die "$file:$number: not a case: $line\n";
        $PLACE{$place} or die "$file:$number: no such place: $place\n";
        my ($stock, $ours) = split m{>}, $verdicts;
        my ($text, $reason) = split /\s+##\s+/, $rest, 2;
        $text = '' if !defined $text;
        die "$file:$number: a difference wants a reason (## ...)\n" if defined $ours && !defined $reason;
        push @cases, { stock => $stock, ours => defined $ours ? $ours : $stock, place => $place, text => $text,
                       reason => $reason, line => $number };
    }
    return @cases;
}

sub format_case {
    my ($case) = @_;
    my $verdicts = $case->{stock} eq $case->{ours} ? $case->{stock} : "$case->{stock}>$case->{ours}";
    my $line = sprintf '%-10s %-9s %s', $verdicts, $case->{place}, $case->{text};
    $line .= "  ## $case->{reason}" if defined $case->{reason};
    return $line;
}

# Configuration, one line each
sub lines_of {
    my ($case) = @_;
    return join "\n", (split m{\s+//\s+}, $case->{text}), '';
}

sub new {
    my ($class) = @_;
    my $h = ModSSL::Httpd->new(
        name => 'corpus', minimal => 1, listen => [qw(https plain)],
        modules => [qw(authn_core auth_basic authn_file authz_user proxy proxy_http headers socache_shmcb socache_dbm
                       socache_memcache socache_redis http2 rewrite)]);
    $h->file('dir/x', '');
    $h->file('empty.pem', '');
    $h->file('text.pem', "this is no PEM\n");
    $h->file('half.pem', "-----BEGIN CERTIFICATE-----\nMIIB\n");
    $h->file("ticket.$_", 'k' x $_) for 1, 47, 48, 49, 80, 81, 100;
    $h->file('unreadable.pem', slurp(ModSSL::PKI::pki_file('rsa.pem')));
    chmod 0, $h->root . '/unreadable.pem';
    $h->cgi('phrase', "#!/bin/sh\necho phrase\n");
    return bless { httpd => $h }, $class;
}

sub write_config {
    my ($self, $case, $more) = @_;
    my ($before, $after) = @{ $PLACE{ $case->{place} } };
    $self->{httpd}->config($more . $before . lines_of($case) . $after);
    return;
}

# What `httpd -t` says.
sub configtest {
    my ($self, $case) = @_;
    $self->write_config($case, '');
    my ($rc, $out) = $self->{httpd}->configtest;
    return $rc == 0 && $out =~ /Syntax OK/ ? 'Syntax OK' : $rc < 124 ? 'refused' : "exit status $rc";
}

sub judge {
    my ($self, $case) = @_;
    my $h = $self->{httpd};
    $self->write_config($case, "PidFile \@root\@/nowhere/pid\n");
    unlink $h->root . '/logs/error_log';
    my ($rc, $out) = $h->run('-DFOREGROUND');
    $out .= -e $h->root . '/logs/error_log' ? slurp($h->root . '/logs/error_log') : '';
    return (verdict($rc, $out), $out);
}

sub verdict {
    my ($rc, $out) = @_;
    return 'crash' if $rc >= 124;
    return 'read' if $out =~ /Syntax error on line|^AH\d+: .*(?:not allowed|without matching)|\S+: \S+ not allowed here|Invalid command/m;
    return 'ok'   if $out =~ m{nowhere/pid};
    return $out =~ /:(?:emerg|crit|alert|error)\]/ ? 'start' : 'crash';
}

# The verdicts on all these cases, each in a .htaccess of its own.
sub judge_htaccess {
    my ($self, @cases) = @_;
    my $h = $self->{httpd};
    $h->config('');
    for my $i (0 .. $#cases) {
        my $text = lines_of($cases[$i]);
        $text =~ s/\@root\@/$h->root/ge;
        $text =~ s/\@pki\@/ModSSL::PKI::pki_dir()/ge;
        $h->file("htdocs/$i/.htaccess", $text);
        $h->file("htdocs/$i/index.html", "It works\n");
    }
    $h->start or die $h->why;
    my @verdicts = map {
        my $answer = http_get(raw_connect($h->port('plain')), "/$_/index.html", 'localhost', close => 1);
        !$answer ? 'crash' : $answer->{status} == 500 ? 'read' : 'ok';
    } 0 .. $#cases;
    $h->stop;
    return @verdicts;
}

sub httpd { return $_[0]{httpd} }

1;
